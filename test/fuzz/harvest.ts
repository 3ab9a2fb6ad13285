/** Values from earlier answers, for later requests: names, cursors, ids, times, entity tags. */
export type Harvest = {
  /** Collects the texts of a JSON answer, and its entity tag. */
  take(path: string, body: string, etag: string | undefined): void
  /** Returns a text that fits and was under one of these keys, in singular or plural. `at` chooses one. Undefined where there is none. */
  pick(names: readonly string[], at: number, fits: (text: string) => boolean): string | undefined
  /** Returns the last entity tag of a path. */
  tagOf(path: string): string | undefined
}

/** How many texts are stored under one key. The oldest are dropped first. */
const kept = 50
/** How many members of one list are read. */
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

  /** Returns the texts under a key, or else under a key that it ends with: `lastEventId` is an `id` as well. */
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
