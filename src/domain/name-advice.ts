import { hidesCharacters, show } from './quote.ts'

/** What ends a path, or a part of it, or begins an escape (RFC 3986 §3.3); browsers read a backslash as a slash (WHATWG URL §4.4). */
const meansMore = /[/?#%\\]/

/**
 * Returns what surprises about the name of a service: how to write it in a URL, if no URL leads to it as it is written, and that it holds characters
 * that do not show as themselves; null where nothing does.
 */
export function adviseOnName(name: string): string | null {
  const character = meansMore.exec(name)?.[0]
  const advice = [
    character !== undefined &&
      `a name with ${character} is not found by /health/${show(name)}: write /health/${encodeURIComponent(name)}, or choose a name without it`,
    hidesCharacters(name) &&
      `the name ${show(name)} holds characters that do not show: it may look like another name, so choose one without them`,
  ].filter((one) => one !== false)
  return advice.length === 0 ? null : advice.join('; ')
}

/** The same for the name of a group. */
export function adviseOnGroup(name: string): string | null {
  if (!hidesCharacters(name)) return null
  return `the group ${show(name)} holds characters that do not show: it may look like another group, so choose a name without them`
}
