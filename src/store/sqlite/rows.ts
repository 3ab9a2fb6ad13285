import { z } from 'zod'
import type { Gap } from '../../domain/health/gap.ts'
import { isServiceName } from '../../domain/service/service.ts'
import { isEpochMs, isPositive } from '../../domain/values/stored-values.ts'
import { readTransition } from '../read-transition.ts'
import type { StoredRegistration, StoredTransition, StoreSnapshot } from '../store.ts'
import { placeIn, type UnreadableEntry } from '../unreadable.ts'

/** A row as SQLite returns it. Its tables are STRICT, so that a column has its type; the value may be any of that type. */
export type Row = Readonly<Record<string, unknown>>

/** All rows except those of transitions. `meta` is undefined if its row is missing. */
export type LoadedRows = {
  readonly meta: Row | undefined
  readonly registrations: readonly Row[]
  readonly drained: readonly Row[]
  readonly gaps: readonly Row[]
}

/** The snapshot without the transitions, which may be too many for one message and are read from their rows. */
export type Loaded = Omit<StoreSnapshot, 'transitions' | 'unreadable'> & {
  readonly unreadable: readonly UnreadableEntry[]
}

/** The replies of the SQLite thread to each operation. The thread itself validates all rows except those of transitions. */
const isNamed = (value: unknown): value is StoredRegistration => typeof (value as Row | null)?.name === 'string'
export const LoadedReply: z.ZodType<Loaded> = z.object({
  registrations: z.array(z.custom<StoredRegistration>(isNamed)),
  drained: z.array(z.string()),
  gaps: z.array(z.object({ from: z.number(), to: z.number() })),
  completeAfter: z.object({ id: z.number(), at: z.number() }),
  aliveAt: z.number().nullable(),
  unreadable: z.array(z.custom<UnreadableEntry>((value) => typeof (value as Row | null)?.place === 'string')),
})
export const TransitionsReply = z.array(z.custom<Row>((value) => typeof value === 'object' && value !== null))
const Refused = z.object({ done: z.literal(false), revision: z.number().nullable() })
export const RemovedReply = z.union([z.object({ done: z.literal(true) }), Refused])
export const PutReply = z.union([
  z.object({
    done: z.literal(true),
    registration: z.object({ name: z.string(), definition: z.string(), revision: z.number() }),
    change: z.enum(['created', 'replaced', 'none']),
  }),
  Refused,
])

/** The numbers of the file itself. A number that Porthole never writes counts as missing. */
export type Meta = {
  readonly lastRevision: number
  readonly aliveAt: number | null
  readonly completeAfter: { readonly id: number; readonly at: number }
  readonly forgottenId: number
}

/** Reads the row of `meta`. */
export function readMeta(row: Row | undefined): Meta {
  const whole = (value: unknown) => (isPositive(value) ? value : 0)
  const {
    last_revision: revision,
    alive_at: alive,
    complete_after_id: id,
    complete_after_at: at,
    forgotten_id: forgotten,
  } = row ?? {}
  return {
    lastRevision: whole(revision),
    aliveAt: isEpochMs(alive) ? alive : null,
    // If the time cannot be read, the past until now is unknown: a time later than now is read as now.
    completeAfter: { id: whole(id), at: row === undefined || isEpochMs(at) ? ((at as number | undefined) ?? 0) : 9e12 },
    forgottenId: whole(forgotten),
  }
}

function unreadableMeta(row: Row | undefined): UnreadableEntry[] {
  if (row === undefined) return [{ place: 'meta', why: 'its row is missing' }]
  const isRight = (column: string, value: unknown) => {
    if (column === 'alive_at') return value === null || isEpochMs(value)
    return column === 'complete_after_at' ? isEpochMs(value) : value === 0 || isPositive(value)
  }
  return Object.entries(row)
    .filter(([column, value]) => !isRight(column, value))
    .map(([column]) => ({ place: placeIn('meta', column), why: 'it is no number that Porthole writes' }))
}

/** Reads a row of registrations. Returns a clause if it cannot be read. */
export function readRegistrationRow({ name, definition, revision, expired_at: at }: Row): StoredRegistration | string {
  if (typeof name !== 'string' || !isServiceName(name)) return 'no service can have this name'
  if (typeof definition !== 'string') return 'its definition is no text'
  if (!isPositive(revision)) return 'its revision is no number that Porthole writes'
  if (at === null) return { name, definition, revision }
  return isEpochMs(at) ? { name, definition, revision, expiredAt: at } : 'the time at which it expired is not a time'
}

/** Reads all rows except those of transitions. */
export function readLoadedRows({ meta, registrations, drained, gaps }: LoadedRows): Loaded {
  const unreadable = unreadableMeta(meta)
  function* readAll<Value>(
    rows: readonly Row[],
    read: (row: Row) => Value | string,
    entryOf: (row: Row) => Omit<UnreadableEntry, 'why'>,
  ): Generator<Value> {
    for (const row of rows) {
      const value = read(row)
      if (typeof value === 'string') unreadable.push({ ...entryOf(row), why: value })
      else yield value
    }
  }
  const registered = readAll(registrations, readRegistrationRow, ({ name }) => ({
    place: placeIn('registrations', String(name)),
    registration: String(name),
  }))
  const drains = readAll(
    drained,
    ({ name }): { name: string } | string =>
      typeof name === 'string' && isServiceName(name) ? { name } : 'no service can have this name',
    ({ name }) => ({ place: placeIn('drained', String(name)) }),
  )
  const spans = readAll(
    gaps,
    ({ from, to }): Gap | string =>
      isEpochMs(from) && isEpochMs(to) && from <= to ? { from, to } : 'it is no span of time',
    ({ from }) => ({ place: placeIn('absences', String(from)) }),
  )
  const { aliveAt, completeAfter } = readMeta(meta)
  return {
    registrations: [...registered],
    drained: [...drains].map(({ name }) => name),
    gaps: [...spans],
    completeAfter,
    aliveAt,
    unreadable,
  }
}

/** Reads rows of transitions. */
export function readTransitionRows(rows: readonly Row[]): {
  readonly read: StoredTransition[]
  readonly unreadable: UnreadableEntry[]
} {
  const read: StoredTransition[] = []
  const unreadable: UnreadableEntry[] = []
  for (const row of rows) {
    const transition = readTransition(row)
    if (typeof transition !== 'string') read.push(transition)
    else unreadable.push({ place: placeIn('transitions', String(row.id)), why: transition })
  }
  return { read, unreadable }
}
