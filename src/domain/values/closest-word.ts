/**
 * Returns the known word that a misspelt word probably means: at most two letters differ, and at most a third of them. Returns null if no word is
 * that close.
 */
export function closestWord(word: string, known: readonly string[]): string | null {
  const limit = Math.min(2, word.length / 3)
  return known.find((name) => editDistance(word.toLowerCase(), name.toLowerCase()) <= limit) ?? null
}

/**
 * Returns how many letters have to be inserted, removed, replaced or swapped with the next one to turn one word into the other (the optimal string
 * alignment of Damerau and Levenshtein).
 */
function editDistance(from: string, to: string): number {
  let before: number[] = []
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 0; i < from.length; i++) {
    const next: number[] = [i + 1]
    for (let j = 0; j < to.length; j++) {
      const replaced = (row[j] ?? 0) + (from[i] === to[j] ? 0 : 1)
      const isSwap = i > 0 && j > 0 && from[i] === to[j - 1] && from[i - 1] === to[j]
      const swapped = isSwap ? (before[j - 1] ?? 0) + 1 : replaced
      next.push(Math.min(replaced, swapped, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
    }
    before = row
    row = next
  }
  return row.at(-1) ?? 0
}
