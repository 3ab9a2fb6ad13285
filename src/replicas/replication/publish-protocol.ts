import { z } from 'zod'
import type { Transition } from '../../domain/health/transition.ts'
import { readCount } from '../../domain/values/stored-values.ts'
import type { Reply } from '../../redis/connection.ts'
import { pairs } from '../../store/redis/entries.ts'
import { parseJson } from '../parse-json.ts'

/** The unpublished health of one service. The store accepts it as a whole or not at all. */
export type Update = {
  readonly service: string
  readonly shard: number
  /** The fencing token of the lease; null for checks on demand, which any replica may make. */
  readonly fencingToken: number | null
  readonly records: readonly SnapshotRecord[]
  /** The targets that the service no longer has. */
  readonly gone: readonly string[]
  readonly transitions: readonly Transition[]
}

/** The health of one target as JSON, or the state of the service itself. `field` is the name of the target, or empty for the service. */
export type SnapshotRecord = {
  readonly field: string
  /** The version that the record continues from; 0 if there is none. */
  readonly base: number
  readonly snapshot: string
}

/**
 * The publish result of an update: accepted, in conflict with another outcome that was stored first, or fenced because another replica holds the
 * lease now.
 */
export type PublishResult = 'accepted' | 'conflict' | 'fenced'
export type Published = { readonly version: number; readonly results: readonly PublishResult[] }

/** Encodes an update as arguments of the publish script. `toEpoch` returns the time of day of an instant. */
export function writeUpdate(update: Update, toEpoch: (instant: number) => number): (string | number)[] {
  const { service, shard, fencingToken, records, gone, transitions } = update
  return [
    service,
    shard,
    fencingToken ?? 0,
    records.length,
    ...records.flatMap(({ field, base, snapshot }) => [field, base, snapshot]),
    gone.length,
    ...gone,
    transitions.length,
    ...transitions.flatMap((transition) => {
      const { service, target, from, to, at, reason, message } = transition
      const json = JSON.stringify({ service, target, from, to, at: toEpoch(at), reason, message })
      return [target === null ? service : '', to, json]
    }),
  ]
}

/** Decodes the answer of the publish script. */
export function readPublished(reply: Reply): Published {
  const [version, ...results] = PublishReply.parse(reply)
  const names: PublishResult[] = ['fenced', 'conflict', 'accepted']
  return { version: Number(version), results: results.map((result) => names[result + 1] ?? 'fenced') }
}

const PublishReply = z.tuple([z.string()], z.int())

/** The health of one service by field, as parsed JSON. */
export type Fields = readonly (readonly [field: string, memory: unknown])[]

/** The records that a replica published, by service. */
export type Records = readonly (readonly [service: string, fields: Fields])[]

/** Checks that parsed JSON is a list of records; returns null if it is not. The health in each record is decoded later. */
export function readRecords(written: unknown): Records | null {
  return Array.isArray(written) && written.every(isRecord) ? written : null
}

function isRecord(written: unknown): boolean {
  if (!Array.isArray(written)) return false
  const [service, fields] = written
  return typeof service === 'string' && Array.isArray(fields) && fields.every(isField)
}

function isField(written: unknown): boolean {
  return Array.isArray(written) && typeof written[0] === 'string' && written.length >= 2
}

/** The stored health of one service, by field. */
export type StoredHealth = ReadonlyMap<string, StoredField>
export type StoredField = { readonly version: number; readonly snapshot: unknown }

/** How far a version may be ahead of the newest entry. The publish script has the same limit. */
const mostAhead = 3_600_000

/**
 * Decodes the stored health of one service from a flat list of fields and values. Returns a text, the type of the key, if the key is not a hash. A
 * value that cannot be read has no health. A version that no entry can have had becomes 0, as in the publish script. `newest` is the newest entry of
 * the stream.
 */
export function readStoredHealth(reply: Reply, newest: number): StoredHealth | string {
  if (typeof reply === 'string') return reply
  const kept = new Map<string, StoredField>()
  for (const [field, text] of pairs(reply)) kept.set(field, readStoredField(text, newest))
  return kept
}

/** Decodes the value of one field. */
export function readStoredField(text: string, newest: number): StoredField {
  const [whole = '', digits] = /^(\d+) /.exec(text) ?? []
  const version = readCount(digits) ?? 0
  return {
    version: version <= newest + mostAhead ? version : 0,
    snapshot: whole === '' ? undefined : parseJson(text.slice(whole.length)),
  }
}
