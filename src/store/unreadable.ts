import { quote } from '../domain/quote.ts'
import { createSignal, type Signal } from '../monitor/signal.ts'
import type { Reply } from '../redis/connection.ts'

/** An entry of the store that this Porthole cannot read. It is left out and stays as it is. */
export type UnreadableEntry = {
  /** Where it is, as an operator finds it: a table or key, and the row, field or member. */
  readonly place: string
  /** What is wrong with it, as a clause. */
  readonly why: string
  /** The service whose registration it is. */
  readonly registration?: string
  /** A command of Redis that reads it again, and whether an answer means that it still is as it was: neither mended nor removed. */
  readonly probe?: { readonly command: readonly string[]; readonly isSame: (reply: Reply) => boolean }
}

/** The parts of a store, each of which is read by itself. */
export type StorePart = 'kept' | 'registrations' | 'leases' | 'health' | 'stream' | 'file'

/** The entries that cannot be read now. */
export type UnreadableEntries = {
  /** Each entry when it is found for the first time. Places beyond the first 1,000 are counted and not told. */
  readonly found: Signal<UnreadableEntry>
  note(part: StorePart, entry: UnreadableEntry): void
  /** Puts these in the place of all that were noted of a part. */
  replace(part: StorePart, entries: Iterable<UnreadableEntry>): void
  /** An entry is gone, or can be read now. */
  forget(part: StorePart, place: string): void
  /** A registration is gone, or was replaced by one that can be read. */
  forgetRegistration(name: string): void
  /** Returns why the registration of this name cannot be read, as a clause; null where it can, or there is none. */
  whyRegistration(name: string): string | null
  entriesOf(part: StorePart): readonly UnreadableEntry[]
  count(): number
}

/** How many places are told of, and how many entries of one part are kept: beyond these a list does not help. */
const mostTold = 1000
const mostKept = 100_000

const withRegistrations = ['kept', 'registrations'] as const
const keyOfRegistration = (name: string) => `registration ${name}`
const keyOf = ({ place, registration }: UnreadableEntry) =>
  registration === undefined ? place : keyOfRegistration(registration)

/** Keeps the entries of a store that cannot be read. */
export function createUnreadableEntries(): UnreadableEntries {
  const found = createSignal<UnreadableEntry>()
  const parts = new Map<StorePart, Map<string, UnreadableEntry>>()
  const told = new Set<string>()

  function of(part: StorePart): Map<string, UnreadableEntry> {
    const known = parts.get(part)
    if (known !== undefined) return known
    const entries = new Map<string, UnreadableEntry>()
    parts.set(part, entries)
    return entries
  }

  function note(part: StorePart, entry: UnreadableEntry): void {
    const entries = of(part)
    const key = keyOf(entry)
    if (entries.size >= mostKept && !entries.has(key)) return
    entries.set(key, entry)
    if (told.has(entry.place) || told.size >= mostTold) return
    told.add(entry.place)
    found.emit(entry)
  }

  return {
    found,
    note,
    replace(part, entries) {
      of(part).clear()
      for (const entry of entries) note(part, entry)
    },
    forget: (part, place) => void parts.get(part)?.delete(place),
    forgetRegistration(name) {
      for (const part of withRegistrations) parts.get(part)?.delete(keyOfRegistration(name))
    },
    whyRegistration(name) {
      for (const part of withRegistrations) {
        const entry = parts.get(part)?.get(keyOfRegistration(name))
        if (entry !== undefined) return entry.why
      }
      return null
    },
    entriesOf: (part) => [...(parts.get(part)?.values() ?? [])],
    count: () => parts.values().reduce((sum, entries) => sum + entries.size, 0),
  }
}

/** Returns where an entry is: a table or a key of the store, and the field, member or row in it. */
export function placeIn(key: string, field?: string): string {
  return field === undefined ? key : `${key} ${quote(field)}`
}
