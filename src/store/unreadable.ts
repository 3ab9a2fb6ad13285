import { quote } from '../domain/values/quote.ts'
import { createEmitter, type Emitter } from '../monitor/emitter.ts'
import type { Reply } from '../redis/connection.ts'

/** An entry of the store that this Porthole cannot read. Porthole leaves the entry out and does not change it. */
export type UnreadableEntry = {
  /** The place of the entry, as an operator finds it: a table or key, and the row, field or member. */
  readonly place: string
  /** The fault of the entry, as a clause. */
  readonly why: string
  /** The name of the service, if the entry is a registration. */
  readonly registration?: string
  /** A command of Redis that reads the entry again. `isSame` returns whether the answer shows the same entry, neither repaired nor removed. */
  readonly probe?: { readonly command: readonly string[]; readonly isSame: (reply: Reply) => boolean }
}

/** The parts of a store. Each part is read on its own. */
export type StorePart = 'kept' | 'registrations' | 'leases' | 'health' | 'stream' | 'file'

/** The entries that cannot be read now. */
export type UnreadableEntries = {
  /** Emits each entry when it is found for the first time. Places beyond the first 1,000 are counted but not emitted. */
  readonly found: Emitter<UnreadableEntry>
  recordEntry(part: StorePart, entry: UnreadableEntry): void
  /** Replaces all entries of a part. */
  replace(part: StorePart, entries: Iterable<UnreadableEntry>): void
  /** Removes an entry that is gone or can be read now. */
  forget(part: StorePart, place: string): void
  /** Removes the entry of a registration that is gone or was replaced by one that can be read. */
  forgetRegistration(name: string): void
  /** Returns why the registration of this name cannot be read, as a clause; null if it can be read or does not exist. */
  whyRegistration(name: string): string | null
  entriesOf(part: StorePart): readonly UnreadableEntry[]
  count(): number
}

/** The most places that are emitted, and the most entries that are held of one part. A longer list does not help an operator. */
const mostReportedEntries = 1000
const mostKept = 100_000

const withRegistrations = ['kept', 'registrations'] as const
const keyOfRegistration = (name: string) => `registration ${name}`
const keyOf = ({ place, registration }: UnreadableEntry) =>
  registration === undefined ? place : keyOfRegistration(registration)

/** Creates an empty list of unreadable entries. */
export function createUnreadableEntries(): UnreadableEntries {
  const found = createEmitter<UnreadableEntry>()
  const parts = new Map<StorePart, Map<string, UnreadableEntry>>()
  const reported = new Set<string>()

  function of(part: StorePart): Map<string, UnreadableEntry> {
    const known = parts.get(part)
    if (known !== undefined) return known
    const entries = new Map<string, UnreadableEntry>()
    parts.set(part, entries)
    return entries
  }

  function recordEntry(part: StorePart, entry: UnreadableEntry): void {
    const entries = of(part)
    const key = keyOf(entry)
    if (entries.size >= mostKept && !entries.has(key)) return
    entries.set(key, entry)
    if (reported.has(entry.place) || reported.size >= mostReportedEntries) return
    reported.add(entry.place)
    found.emit(entry)
  }

  return {
    found,
    recordEntry,
    replace(part, entries) {
      of(part).clear()
      for (const entry of entries) recordEntry(part, entry)
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

/** Returns the place of an entry: a table or a key of the store, and the field, member or row in it. */
export function placeIn(key: string, field?: string): string {
  return field === undefined ? key : `${key} ${quote(field)}`
}
