import { hidesCharacters, show } from '../values/quote.ts'

/** Characters that end a path or a segment, or begin an escape (RFC 3986 §3.3). Browsers treat a backslash as a slash (WHATWG URL §4.4). */
const specialCharacters = /[/?#%\\]/

/**
 * Returns advice on the name of a service; null when there is none. A name that has to be escaped in a URL gets its escaped form. A name with
 * invisible characters gets a warning.
 */
export function adviseOnName(name: string): string | null {
  const character = specialCharacters.exec(name)?.[0]
  const advice = [
    character !== undefined &&
      `a name with ${character} is not found by /health/${show(name)}: write /health/${encodeURIComponent(name)}, or choose a name without it`,
    hidesCharacters(name) &&
      `the name ${show(name)} holds characters that do not show: it may look like another name, so choose one without them`,
  ].filter((one) => one !== false)
  return advice.length === 0 ? null : advice.join('; ')
}

/** Returns advice on the name of a group; null when there is none. A name with invisible characters gets a warning. */
export function adviseOnGroup(name: string): string | null {
  if (!hidesCharacters(name)) return null
  return `the group ${show(name)} holds characters that do not show: it may look like another group, so choose a name without them`
}
