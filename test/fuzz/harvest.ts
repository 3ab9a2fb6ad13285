/** What earlier answers told, for requests to come: names, cursors, ids, times, entity tags. */
export type Harvest = {
  /** Takes in the JSON of an answer, and the entity tag it came with. */
  take(path: string, body: string, etag: string | undefined): void
  /** A text that stood under one of these names, in the singular or plural, and fits; `at` chooses. Undefined when there is none. */
  pick(names: readonly string[], at: number, fits: (text: string) => boolean): string | undefined
  /** The last entity tag of a path. */
  tagOf(path: string): string | undefined
}

/** How many texts are kept under one name; the oldest go first. */
const kept = 50
/** How many members of one list are looked at. */
const looked = 20

export function createHarvest(): Harvest {
  const texts = new Map<string, Set<string>>()
  const tags = new Map<string, string>()

  function add(name: string, text: string): void {
    const known = texts.get(name) ?? new Set()
    texts.set(name, known)
    known.delete(text)
    known.add(text)
    const [oldest] = known
    if (known.size > kept && oldest !== undefined) known.delete(oldest)
  }

  function walk(value: unknown, name: string): void {
    if (typeof value === 'string') add(name, value)
    else if (Array.isArray(value)) for (const member of value.slice(0, looked)) walk(member, name)
    else if (typeof value === 'object' && value !== null)
      for (const [key, member] of Object.entries(value)) walk(member, plain(key))
  }

  /** `lastEventId` is an `id` as well. */
  function under(wanted: string): readonly string[] {
    const name = plain(wanted)
    const found = texts.get(name) ?? [...texts].find(([known]) => known.length > 1 && name.endsWith(known))?.[1]
    return [...(found ?? [])]
  }

  return {
    take(path, body, etag) {
      if (etag !== undefined) tags.set(path, etag)
      walk(JSON.parse(body), '')
    },
    pick(names, at, fits) {
      const found = names.flatMap(under).filter(fits)
      return found[at % found.length]
    },
    tagOf: (path) => tags.get(path),
  }
}

const plain = (name: string) =>
  name
    .toLowerCase()
    .replace(/[^a-z]/g, '')
    .replace(/s$/, '')
