/** A pool of strings, in which equal strings share one copy. */
export type StringPool = {
  /** Returns the string of the pool that equals `text`. If there is none, it adds a copy and returns that. */
  share(text: string): string
}

/** Creates a pool of up to `most` strings. A full pool is emptied, so a string that is kept for long may have a few copies, but not one per use. */
export function createStringPool(most: number): StringPool {
  const known = new Map<string, string>()
  return {
    share(text) {
      const before = known.get(text)
      if (before !== undefined) return before
      if (known.size === most) known.clear()
      // Copy the text, because a string that was concatenated keeps all its parts in memory. A clone has no parts.
      const copy = structuredClone(text)
      known.set(copy, copy)
      return copy
    },
  }
}
