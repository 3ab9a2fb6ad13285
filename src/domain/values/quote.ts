const longest = 80

/**
 * Characters that a terminal does not show as themselves: control characters, marks that turn the direction of text, and characters without
 * width. Control characters may begin an escape sequence or another line. In Unicode these are the general categories Cc, Cf, Zl and Zp, and
 * fillers that are letters.
 */
const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\u115F\u1160\u3164\uFFA0]|\u034F|\u17B4|\u17B5/gu

/** Returns whether a text has characters that a terminal does not show as themselves. */
export function hidesCharacters(text: string): boolean {
  return text.search(unseen) >= 0
}

/** Replaces characters that a terminal does not show as themselves by JSON escapes, such as `\u202e`. In JSON both mean the same. */
export function escapeUnseen(text: string): string {
  return text.replace(unseen, (character) =>
    Array.from({ length: character.length }, (_, at) => {
      return `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`
    }).join(''),
  )
}

/** Writes a name or value for a line of text: unchanged, or in quotes with escapes if a terminal would not show all its characters. */
export function show(text: string): string {
  return hidesCharacters(text) ? escapeUnseen(JSON.stringify(text)) : text
}

/** Writes an input for a message such as "… is not a port": as JSON, cut to 80 characters so that one wrong value never fills a screen. */
export function quote(input: unknown): string {
  if (input === null) return 'an empty value'
  const text = escapeUnseen(typeof input === 'number' || input === undefined ? String(input) : asJson(input))
  return text.length <= longest ? text : `${text.slice(0, longest - 1)}…`
}

/** Writes an input as JSON. A client may send a value that is nested more deeply than the stack allows. */
function asJson(input: unknown): string {
  try {
    return JSON.stringify(input)
  } catch {
    return 'a value nested this deeply'
  }
}
