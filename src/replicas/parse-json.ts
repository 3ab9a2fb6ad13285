/** Parses JSON of the store. Returns undefined for any other text, which may be damaged or of another program. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
