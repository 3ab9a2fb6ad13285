/** A key that an object of a JSON text has twice, as a JSON pointer (RFC 6901). */
export type RepeatedKey = { readonly key: string; readonly pointer: string }

/** An object or a list that is open: the keys it has so far, null in a list; and the key or the index of the value that is read. */
type Level = { readonly keys: Set<string> | null; at: string | number }

/** How many characters are looked at between two yields, some milliseconds of work. */
const perTurn = 262_144
/** How many are reported at most. */
const mostReported = 20

const [quote, backslash, comma] = [0x22, 0x5c, 0x2c]
const [openList, closeList, openObject, closeObject] = [0x5b, 0x5d, 0x7b, 0x7d]

/**
 * Finds keys that an object has twice, at any depth: `JSON.parse` keeps the last of them in silence. The text must be JSON. Yields now and
 * then, so that the caller can let other work have its turn.
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

/** Returns where the string that begins at a quote ends: after the next quote that an even number of backslashes, or none, stands before. */
function endOfString(text: string, begin: number): number {
  let end = begin
  do {
    end = text.indexOf('"', end + 1)
  } while (isEscaped(text, end))
  return end + 1
}

function isEscaped(text: string, at: number): boolean {
  let first = at
  while (text.charCodeAt(first - 1) === backslash) first--
  return (at - first) % 2 === 1
}

function pointerTo(open: readonly Level[]): string {
  return open.map(({ at }) => `/${String(at).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}
