import type { Transition } from '../domain/transition.ts'
import type { Reply } from '../redis/connection.ts'
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
  const [version, ...verdicts] = reply as readonly [string, ...number[]]
  const names: Verdict[] = ['fenced', 'overtaken', 'taken']
  return { version: Number(version), verdicts: verdicts.map((verdict) => names[verdict + 1] ?? 'fenced') }
}

/** What is remembered of one service, by field, as parsed JSON. */
export type Fields = readonly (readonly [field: string, memory: unknown])[]

/** What a replica published: of each service, what it remembers. */
export type Records = readonly (readonly [service: string, fields: Fields])[]

/** What is kept of one service, by field, from a flat list of fields and values. What cannot be read has a version and no memory. */
export function readKeptHealth(reply: Reply): Map<string, { version: number; memory: unknown }> {
  const flat = (reply ?? []) as readonly string[]
  const kept = new Map<string, { version: number; memory: unknown }>()
  for (let i = 0; i < flat.length; i += 2) {
    const value = flat[i + 1] as string
    const space = value.indexOf(' ')
    kept.set(flat[i] as string, { version: Number(value.slice(0, space)), memory: parseJson(value.slice(space + 1)) })
  }
  return kept
}
