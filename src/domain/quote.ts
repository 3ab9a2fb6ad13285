const longest = 80

/** An input as it reads before "is not a …": as JSON, cut when long, so that one wrong value never fills a screen. */
export function quote(input: unknown): string {
  if (input === null) return 'an empty value'
  const text = typeof input === 'number' || input === undefined ? String(input) : asJson(input)
  return text.length <= longest ? text : `${text.slice(0, longest - 1)}…`
}

/** What somebody sends may be nested more deeply than the stack is. */
function asJson(input: unknown): string {
  try {
    return JSON.stringify(input)
  } catch {
    return 'what is nested this deeply'
  }
}
