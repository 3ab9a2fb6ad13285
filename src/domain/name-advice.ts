/** What ends a path, or a part of it, or begins an escape (RFC 3986 §3.3); browsers read a backslash as a slash (WHATWG URL §4.4). */
const meansMore = /[/?#%\\]/

/** Returns how to write the name of a service in a URL, if no URL leads to it as it is written; null where one does. */
export function adviseOnName(name: string): string | null {
  const character = meansMore.exec(name)?.[0]
  if (character === undefined) return null
  return `a name with ${character} is not found by /health/${name}: write /health/${encodeURIComponent(name)}, or choose a name without it`
}
