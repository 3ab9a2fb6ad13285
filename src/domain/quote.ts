const longest = 80

/**
 * Characters that a terminal does not show as themselves: control characters, which may begin an escape sequence or another line; marks that turn
 * the direction of text, and what has no width (Unicode, general categories Cc, Cf, Zl and Zp; and fillers that are letters).
 */
const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\u115F\u1160\u3164\uFFA0]|\u034F|\u17B4|\u17B5/gu

/** Whether a text holds characters that do not show as themselves. */
export function hidesCharacters(text: string): boolean {
  return text.search(unseen) >= 0
}

/** Writes characters that do not show as themselves as JSON escapes, such as `\u202e`. In JSON they mean the same. */
export function escapeUnseen(text: string): string {
  return text.replace(unseen, (character) =>
    Array.from({ length: character.length }, (_, at) => {
      return `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`
    }).join(''),
  )
}

/** A name or a value in a line of text: as it is, or in quotes with escapes where it holds characters that do not show as themselves. */
export function show(text: string): string {
  return hidesCharacters(text) ? escapeUnseen(JSON.stringify(text)) : text
}

/** An input as it reads before "is not a …": as JSON, cut when long, so that one wrong value never fills a screen. */
export function quote(input: unknown): string {
  if (input === null) return 'an empty value'
  const text = escapeUnseen(typeof input === 'number' || input === undefined ? String(input) : asJson(input))
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
