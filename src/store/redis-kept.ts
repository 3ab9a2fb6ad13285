import type { Absence } from '../domain/absence.ts'
import { isServiceName } from '../domain/service.ts'
import { isEpochMs, mostAheadMs, readCount, readNumber } from '../domain/stored-values.ts'
import type { Reply } from '../redis/connection.ts'
import type { Keys } from '../redis/keys.ts'
import { readTransition } from './read-transition.ts'
import type { Kept, KeptRegistration, KeptTransition } from './store.ts'
import { placeIn, type UnreadableEntry } from './unreadable.ts'

/** Whether a service is drained, and the revision of that change. */
export type Drain = { readonly revision: number; readonly drained: boolean }

/** What could be read of a part, and what could not. */
type Part<Value> = { readonly read: Value[]; readonly unreadable: UnreadableEntry[] }

/** Returns a list of texts from an answer; a single text is a list of one. */
export function texts(reply: Reply | undefined): string[] {
  return [reply ?? []].flat().map(String)
}

/** Returns a flat list of names and values as pairs. */
export function pairs(reply: Reply | undefined): [string, string][] {
  const flat = texts(reply)
  return Array.from({ length: Math.floor(flat.length / 2) }, (_, i) => [
    flat[2 * i] as string,
    flat[2 * i + 1] as string,
  ])
}

/** Reads pairs of one kind. `read` returns the value of a pair, or as a clause why it cannot be read. */
function readPairs<Value>(
  reply: Reply | undefined,
  read: (name: string, text: string) => Value | string,
  entryOf: (name: string, text: string) => Omit<UnreadableEntry, 'why'>,
): Part<Value> {
  const part: Part<Value> = { read: [], unreadable: [] }
  for (const [name, text] of pairs(reply)) {
    const value = read(name, text)
    if (typeof value === 'string') part.unreadable.push({ ...entryOf(name, text), why: value })
    else part.read.push(value)
  }
  return part
}

/** An entry of a hash, and how to see whether it still is as it was. */
export function fieldOf(key: string, field: string, text: string | undefined): Omit<UnreadableEntry, 'why'> {
  const isSame = (reply: Reply) => reply !== null && (text === undefined || reply === text)
  return { place: placeIn(key, field), probe: { command: ['HGET', key, field], isSame } }
}

/** A key that should be of a kind and is of another. */
export function keyOf(key: string, kind: string): UnreadableEntry {
  const isSame = (reply: Reply) => reply !== 'none' && reply !== kind
  return { place: key, why: `the key holds no ${kind}`, probe: { command: ['TYPE', key], isSame } }
}

/** Reads the hash of drains, in the order in which they changed. */
export function readDrains(reply: Reply | undefined, key = 'drained'): Part<[name: string, Drain]> {
  const part = readPairs(
    reply,
    (name, text): [string, Drain] | string => {
      const [, revision, flag] = /^(\d+) ([01])$/.exec(text) ?? []
      const read = readCount(revision)
      if (read === null) return 'it is no drain: a revision and 1 or 0'
      return isServiceName(name) ? [name, { revision: read, drained: flag === '1' }] : 'no service can have this name'
    },
    (name, text) => fieldOf(key, name, text),
  )
  part.read.sort(([, a], [, b]) => a.revision - b.revision)
  return part
}

function readRegistrations(reply: Reply | undefined, key: string): Part<KeptRegistration> {
  return readPairs(
    reply,
    (name, text): KeptRegistration | string => {
      const [, digits, definition = ''] = /^(\d+) (.*)$/s.exec(text) ?? []
      const revision = readCount(digits)
      if (!isServiceName(name)) return 'no service can have this name'
      return revision === null ? 'it does not begin with a revision' : { name, definition, revision }
    },
    (name, text) => ({ ...fieldOf(key, name, text), registration: name }),
  )
}

function readAbsences(reply: Reply | undefined, key: string): Part<Absence> {
  const part = readPairs(
    reply,
    (begin, end): Absence | string => {
      const [from, to] = [readNumber(begin), readNumber(end)]
      return isEpochMs(from) && isEpochMs(to) && from <= to ? { from, to } : 'it is no span of time'
    },
    (begin, end) => fieldOf(key, begin, end),
  )
  part.read.sort((a, b) => a.from - b.from)
  return part
}

function readMarks(reply: Reply | undefined, key: string): Part<[name: string, at: number]> {
  return readPairs(
    reply,
    (name, text): [string, number] | string => {
      const at = readNumber(text)
      return isEpochMs(at) ? [name, at] : 'it is no time'
    },
    (name, text) => fieldOf(key, name, text),
  )
}

function readJson(json: string, latest: number): KeptTransition | string {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    return 'it is no JSON'
  }
  return readTransition(value, latest)
}

/** Reads members of the set of transitions with their scores. A member under another number than its id was put there by something else. */
export function readTransitions(reply: Reply | undefined, key: string, latest: number): Part<KeptTransition> {
  return readPairs(
    reply,
    (json, score): KeptTransition | string => {
      const read = readJson(json, latest)
      return typeof read === 'string' || read.id === Number(score)
        ? read
        : 'it is kept under another number than its id'
    },
    (json, score) => ({
      place: placeIn(key, json),
      probe: { command: ['ZSCORE', key, json], isSame: (reply) => reply === score },
    }),
  )
}

/** The numbers of `meta` that are times or ids; another text is no number. */
const numbers = ['forgotten', 'after_id', 'after_at', 'alive', 'head', 'revision', 'transition', 'created'] as const

/** What the script to load answers, read: all that is kept but the transitions of the set. */
export type LoadReply = Omit<Kept, 'transitions' | 'unreadable'> & {
  readonly unreadable: readonly UnreadableEntry[]
  /** The last transition of each service that the set has no longer, the oldest first. */
  readonly older: readonly KeptTransition[]
  /** Up to when a time is believed, in milliseconds since the epoch. */
  readonly latest: number
  readonly hasTransitions: boolean
}

/** Reads what the script to load answers. */
export function readLoaded(reply: Reply, keys: Keys): LoadReply {
  const [metaReply, registered, drained, absences, last, marks, now, skipped] = reply as readonly Reply[]
  const ofMeta = new Map(pairs(metaReply))
  const latest = Number(now) + mostAheadMs
  const largest = (field: string) => {
    return field === 'forgotten' || field === 'after_id' || field === 'transition' ? latest * 1000 : latest
  }
  const number = (field: string) => {
    const value = readNumber(ofMeta.get(field))
    return value === null || value > largest(field) ? null : value
  }
  const odd = numbers.filter((field) => ofMeta.has(field) && number(field) === null)
  const registrations = readRegistrations(registered, keys.registrations)
  const expired = readMarks(marks, keys.expired)
  const expiredAt = new Map(expired.read)
  const forgotten = number('forgotten') ?? 0
  const lastOf = readPairs(
    last,
    (service, json): KeptTransition | string => {
      const read = readJson(json, latest)
      return typeof read === 'string' || read.service === service ? read : 'it is of another service'
    },
    (service, json) => fieldOf(keys.last, service, json),
  )
  const drains = readDrains(drained, keys.drained)
  const spans = readAbsences(absences, keys.absences)
  const absent = pairs(skipped).map(([key, what]) =>
    key === keys.expiries ? { ...fieldOf(key, what, undefined), why: 'it is no time' } : keyOf(key, what),
  )
  const older = lastOf.read.filter(({ id }) => id <= forgotten).sort((a, b) => a.id - b.id)
  return {
    registrations: registrations.read.map((registration) => {
      const at = expiredAt.get(registration.name)
      return at === undefined ? registration : { ...registration, expiredAt: at }
    }),
    drained: drains.read.flatMap(([name, { drained }]) => (drained ? name : [])),
    absences: spans.read,
    completeAfter: {
      id: number('after_id') ?? 0,
      at: completeAt(ofMeta.has('after_at'), number('after_at'), Number(now)),
    },
    aliveAt: number('alive'),
    older,
    latest,
    hasTransitions: !absent.some(({ place }) => place === keys.transitions),
    unreadable: [
      ...odd.map((field) => ({ ...fieldOf(keys.meta, field, ofMeta.get(field)), why: 'it is no number' })),
      ...registrations.unreadable,
      ...drains.unreadable,
      ...spans.unreadable,
      ...expired.unreadable,
      ...lastOf.unreadable,
      ...absent,
    ],
  }
}

/** Since when nothing is missing: where that cannot be read, nothing is known of the time until now. */
function completeAt(isThere: boolean, at: number | null, now: number): number {
  return at ?? (isThere ? now : 0)
}
