/** Returns the message for an unknown key: the key that was probably meant, and all known keys. */
export function explainUnknownKey(key: string, known: readonly string[]): string {
  const close = known.find((name) => editDistance(key.toLowerCase(), name.toLowerCase()) <= Math.min(2, key.length / 3))
  const guess = close === undefined ? 'unknown key' : `unknown key, did you mean ${close}?`
  return `${guess} (known here: ${known.join(', ')})`
}

/** Returns how many letters have to be inserted, removed or replaced to turn one word into the other (Levenshtein). */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (const [i, letter] of [...from].entries()) {
    const next = [i + 1]
    for (const [j, other] of [...to].entries()) {
      const replaced = (row[j] ?? 0) + (letter === other ? 0 : 1)
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
    }
    row = next
  }
  return row.at(-1) ?? 0
}
