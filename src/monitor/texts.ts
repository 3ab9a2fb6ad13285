/** Texts of which equal ones are to be one. */
export type Texts = {
  /** The text as it was given before, if that was not too long ago; else a copy of it, to be given from now on. */
  share(text: string): string
}

/** Remembers so many at most: whoever keeps more has its texts a few times over, and not once for every use. */
export function createTexts(most: number): Texts {
  const known = new Map<string, string>()
  return {
    share(text) {
      const before = known.get(text)
      if (before !== undefined) return before
      if (known.size === most) known.clear()
      // What was put together from parts would keep every part: a clone is of one piece.
      const copy = structuredClone(text)
      known.set(copy, copy)
      return copy
    },
  }
}
