/** What a text of the store says; undefined where it is no JSON, as what is damaged or somebody else's. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
