import { z } from 'zod'
import { readCount } from '../domain/stored-values.ts'
import type { Transition } from '../domain/transition.ts'
import type { Reply } from '../redis/connection.ts'
import { pairs } from '../store/redis-kept.ts'
import { parseJson } from './parse.ts'

/** What was found of one service, to be taken whole or not at all. */
export type Update = {
  readonly service: string
  readonly shard: number
  /** The lease's; null for what was only asked for, which anybody may find out. */
  readonly token: number | null
  readonly records: readonly MemoryRecord[]
  /** Targets it has no longer. */
  readonly gone: readonly string[]
  readonly transitions: readonly Transition[]
}

/** What is remembered of one target by its name, or of the service itself by an empty one, as JSON. */
export type MemoryRecord = {
  readonly field: string
  /** The version it goes on from; 0: there is none. */
  readonly base: number
  readonly memory: string
}

/** What became of each update: taken; `overtaken` by somebody else's outcome; or `fenced`, as another holds the lease by now. */
export type Verdict = 'taken' | 'overtaken' | 'fenced'
export type Published = { readonly version: number; readonly verdicts: readonly Verdict[] }

/** What the script takes for an update. `toEpoch` tells the time of day of an instant. */
export function writeUpdate(update: Update, toEpoch: (instant: number) => number): (string | number)[] {
  const { service, shard, token, records, gone, transitions } = update
  return [
    service,
    shard,
    token ?? 0,
    records.length,
    ...records.flatMap(({ field, base, memory }) => [field, base, memory]),
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

/** What the script answers. */
export function readPublished(reply: Reply): Published {
  const [version, ...verdicts] = PublishReply.parse(reply)
  const names: Verdict[] = ['fenced', 'overtaken', 'taken']
  return { version: Number(version), verdicts: verdicts.map((verdict) => names[verdict + 1] ?? 'fenced') }
}

const PublishReply = z.tuple([z.string()], z.int())

/** What is remembered of one service, by field, as parsed JSON. */
export type Fields = readonly (readonly [field: string, memory: unknown])[]

/** What a replica published: of each service, what it remembers. */
export type Records = readonly (readonly [service: string, fields: Fields])[]

/** Reads what a replica published, as parsed JSON; null where it is something else. What is remembered is read later, by itself. */
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

/** What is kept of one service, by field. */
export type KeptHealth = ReadonlyMap<string, KeptField>
export type KeptField = { readonly version: number; readonly memory: unknown }

/** How far a version may be ahead of the newest entry, as the script to publish has it. */
const mostAhead = 3_600_000

/**
 * Reads what is kept of one service from a flat list of fields and values; a text instead says of which other kind its key is. What cannot be read has
 * no memory. A version that no entry of the stream can have had is 0, as the script to publish reads it. `newest` is the newest entry.
 */
export function readKeptHealth(reply: Reply, newest: number): KeptHealth | string {
  if (typeof reply === 'string') return reply
  const kept = new Map<string, KeptField>()
  for (const [field, text] of pairs(reply)) kept.set(field, readKeptField(text, newest))
  return kept
}

/** Reads what is kept under one field. */
export function readKeptField(text: string, newest: number): KeptField {
  const [whole = '', digits] = /^(\d+) /.exec(text) ?? []
  const version = readCount(digits) ?? 0
  return {
    version: version <= newest + mostAhead ? version : 0,
    memory: whole === '' ? undefined : parseJson(text.slice(whole.length)),
  }
}
