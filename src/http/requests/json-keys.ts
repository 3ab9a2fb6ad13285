/** A key that an object of a JSON text has twice, and its place as a JSON pointer (RFC 6901). */
export type RepeatedKey = { readonly key: string; readonly pointer: string }

/** An open object or list. `keys` are the keys so far, null in a list. `at` is the key or the index of the present value. */
type Level = { readonly keys: Set<string> | null; at: string | number }

/** How many characters are read between two yields: some milliseconds of work. */
const perTurn = 262_144
/** The most keys that are reported. */
const mostReported = 20

const [quote, backslash, comma] = [0x22, 0x5c, 0x2c]
const [openList, closeList, openObject, closeObject] = [0x5b, 0x5d, 0x7b, 0x7d]

/**
 * Finds keys that an object has twice, at any depth, because `JSON.parse` silently keeps the last of them. The text must be JSON. Yields after
 * every 262,144 characters, so that the caller can let other work run.
 */
export function* findRepeatedKeys(text: string): Generator<undefined, RepeatedKey[]> {
  const found: RepeatedKey[] = []
  const open: Level[] = []
  let isKeyNext = false
  let turnEnds = perTurn
  for (let at = 0; at < text.length && found.length < mostReported; at++) {
    const level = open.at(-1)
    switch (text.charCodeAt(at)) {
      case quote: {
        const end = endOfString(text, at)
        if (isKeyNext && level?.keys) {
          const key = JSON.parse(text.slice(at, end)) as string
          level.at = key
          if (level.keys.has(key)) found.push({ key, pointer: pointerTo(open) })
          level.keys.add(key)
          isKeyNext = false
        }
        at = end - 1
        break
      }
      case openObject:
        open.push({ keys: new Set(), at: '' })
        isKeyNext = true
        break
      case openList:
        open.push({ keys: null, at: 0 })
        isKeyNext = false
        break
      case closeObject:
      case closeList:
        open.pop()
        isKeyNext = false
        break
      case comma:
        if (typeof level?.at === 'number') level.at++
        else isKeyNext = true
        break
    }
    if (at < turnEnds) continue
    turnEnds = at + perTurn
    yield
  }
  return found
}

/** Returns the index after the string that begins at a quote. The string ends at the next quote that is not escaped. */
function endOfString(text: string, begin: number): number {
  let end = begin
  do {
    end = text.indexOf('"', end + 1)
  } while (isEscaped(text, end))
  return end + 1
}

/** Returns whether an odd number of backslashes precedes a character. */
function isEscaped(text: string, at: number): boolean {
  let first = at
  while (text.charCodeAt(first - 1) === backslash) first--
  return (at - first) % 2 === 1
}

function pointerTo(open: readonly Level[]): string {
  return open.map(({ at }) => `/${String(at).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}
