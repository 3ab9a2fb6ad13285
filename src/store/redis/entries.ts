import type { Gap } from '../../domain/health/gap.ts'
import { isServiceName } from '../../domain/service/service.ts'
import { isEpochMs, mostAheadMs, readCount, readNumber } from '../../domain/values/stored-values.ts'
import type { Reply } from '../../redis/connection.ts'
import type { Keys } from '../../redis/keys.ts'
import { readTransition } from '../read-transition.ts'
import type { StoredRegistration, StoredTransition, StoreSnapshot } from '../store.ts'
import { placeIn, type UnreadableEntry } from '../unreadable.ts'

/** A change of a drain: its revision, and whether the service is drained since then. */
export type Drain = { readonly revision: number; readonly drained: boolean }

/** One part of a snapshot: the entries that could be read, and those that could not. */
type Part<Value> = { readonly read: Value[]; readonly unreadable: UnreadableEntry[] }

/** Returns a reply as a list of texts. A single text becomes a list of one. */
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

/** Reads pairs of one kind. `read` returns the value of a pair, or a clause that says why it cannot be read. */
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

/** Returns the place of a field of a hash, and a probe that tells whether the field is still the same. */
export function fieldOf(key: string, field: string, text: string | undefined): Omit<UnreadableEntry, 'why'> {
  const isSame = (reply: Reply) => reply !== null && (text === undefined || reply === text)
  return { place: placeIn(key, field), probe: { command: ['HGET', key, field], isSame } }
}

/** Returns the entry for a key that holds another kind of value than it should. */
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

function readRegistrations(reply: Reply | undefined, key: string): Part<StoredRegistration> {
  return readPairs(
    reply,
    (name, text): StoredRegistration | string => {
      const [, digits, definition = ''] = /^(\d+) (.*)$/s.exec(text) ?? []
      const revision = readCount(digits)
      if (!isServiceName(name)) return 'no service can have this name'
      return revision === null ? 'it does not begin with a revision' : { name, definition, revision }
    },
    (name, text) => ({ ...fieldOf(key, name, text), registration: name }),
  )
}

function readGaps(reply: Reply | undefined, key: string): Part<Gap> {
  const part = readPairs(
    reply,
    (begin, end): Gap | string => {
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

function readJson(json: string, latest: number): StoredTransition | string {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    return 'it is no JSON'
  }
  return readTransition(value, latest)
}

/** Reads members of the set of transitions with their scores. Another program wrote a member whose score is not its id. */
export function readTransitions(reply: Reply | undefined, key: string, latest: number): Part<StoredTransition> {
  return readPairs(
    reply,
    (json, score): StoredTransition | string => {
      const read = readJson(json, latest)
      return typeof read === 'string' || read.id === Number(score) ? read : 'its score is not its id'
    },
    (json, score) => ({
      place: placeIn(key, json),
      probe: { command: ['ZSCORE', key, json], isSame: (reply) => reply === score },
    }),
  )
}

/** The fields of `meta` that are times or ids. Any other text in them cannot be read. */
const numbers = ['forgotten', 'after_id', 'after_at', 'alive', 'head', 'revision', 'transition', 'created'] as const

/** The parsed reply of the load script: the whole snapshot except the transitions of the sorted set. */
export type LoadReply = Omit<StoreSnapshot, 'transitions' | 'unreadable'> & {
  readonly unreadable: readonly UnreadableEntry[]
  /** The last transition of each service that the sorted set does not contain any more, the oldest first. */
  readonly older: readonly StoredTransition[]
  /** The largest time that is accepted, in milliseconds since the epoch. */
  readonly latest: number
  readonly hasTransitions: boolean
}

/** Parses the reply of the load script. */
export function readLoaded(reply: Reply, keys: Keys): LoadReply {
  const [metaReply, registered, drained, gaps, last, marks, now, skipped] = reply as readonly Reply[]
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
    (service, json): StoredTransition | string => {
      const read = readJson(json, latest)
      return typeof read === 'string' || read.service === service ? read : 'it is of another service'
    },
    (service, json) => fieldOf(keys.last, service, json),
  )
  const drains = readDrains(drained, keys.drained)
  const spans = readGaps(gaps, keys.gaps)
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
    gaps: spans.read,
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

/** Returns the time since which nothing is missing. If it cannot be read, the past until now is unknown. */
function completeAt(hasAny: boolean, at: number | null, now: number): number {
  return at ?? (hasAny ? now : 0)
}
