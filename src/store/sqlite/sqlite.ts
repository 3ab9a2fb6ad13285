import { join } from 'node:path'
import { z } from 'zod'
import type { Dating } from '../../runtime/clock.ts'
import type { Retention, Store, Stored, StoredTransition, StoreSnapshot } from '../store.ts'
import { LoadedReply, PutReply, RemovedReply, readTransitionRows, TransitionsReply } from './rows.ts'
import type { Operation } from './statements.ts'
import { startStoreThread } from './thread.ts'

/**
 * The number of transitions in one message of the thread. Receiving a message blocks the event loop, and all transitions at once would fill the
 * memory.
 */
const transitionsPerBatch = 2000

/**
 * Opens `porthole.db` in a directory, and creates both if they are missing. A confirmed change outlives a power cut. A read-only file is served,
 * and changes fail until it can be written. A failure is a sentence that names the file and the remedy. `now` returns milliseconds since the
 * epoch. A new file misses no transition from `since` on.
 *
 * SQLite waits for the disk, so it has a thread of its own. Operations that come while it waits are committed together next.
 */
export async function openSqliteStore({
  directory,
  retention,
  now = Date.now,
  since = now(),
  dating,
  onNotice,
}: {
  readonly directory: string
  readonly retention: Retention
  readonly now?: () => number
  readonly since?: number
  /** The dating of `since`. */
  readonly dating?: Dating
  /** Called with sentences for the log. */
  readonly onNotice?: (notice: string) => void
}): Promise<Stored<Store>> {
  const started = await startStoreThread({ file: join(directory, 'porthole.db'), retention, now: since }, onNotice)
  if (!started.ok) return started
  const { ask, close } = started.value

  /** Sends an operation and validates the answer. */
  async function asking<Value>(operation: Operation, schema: z.ZodType<Value>): Promise<Stored<Value>> {
    const stored = await ask(operation)
    if (!stored.ok) return stored
    const read = schema.safeParse(stored.value)
    if (read.success) return { ok: true, value: read.data }
    return {
      ok: false,
      failure: `the thread of SQLite sent an invalid answer to ${operation.kind}: ${read.error}`,
    }
  }

  // Correct the times before the first read, because the previous process may have ended between a correction of the clock and its next write.
  if (dating !== undefined) await ask({ kind: 'redate', dating })

  async function load(): Promise<Stored<StoreSnapshot>> {
    const loaded = await asking({ kind: 'load' }, LoadedReply)
    if (!loaded.ok) return loaded
    const { unreadable, ...kept } = loaded.value
    const odd = [...unreadable]
    const transitions: StoredTransition[] = []
    for (let after = Number.MIN_SAFE_INTEGER; ; ) {
      const found = await asking({ kind: 'loadTransitions', after, limit: transitionsPerBatch }, TransitionsReply)
      if (!found.ok) return found
      const part = readTransitionRows(found.value)
      transitions.push(...part.read)
      odd.push(...part.unreadable)
      if (found.value.length < transitionsPerBatch)
        return { ok: true, value: { ...kept, transitions, ...(odd.length > 0 && { unreadable: odd }) } }
      after = Number(found.value.at(-1)?.id)
    }
  }

  return {
    ok: true,
    value: {
      name: 'sqlite',
      load,
      put: (name, definition, condition) => asking({ kind: 'put', name, definition, condition, now: now() }, PutReply),
      remove: (name, condition) => asking({ kind: 'remove', name, condition }, RemovedReply),
      expire: (name, revision, step, dating) =>
        asking({ kind: 'expire', name, revision, step, now: now(), dating }, RemovedReply),
      setDrained: (name, drained) => asking({ kind: 'setDrained', name, drained, now: now() }, z.null()),
      append: (transitions, missing, dating) => asking({ kind: 'append', transitions, missing, dating }, z.null()),
      addGap: (gap, dating, ownEnds = 'both') => asking({ kind: 'addGap', gap, dating, ownEnds }, z.null()),
      heartbeat: (at, dating) => asking({ kind: 'heartbeat', now: at, dating }, z.null()),
      close,
    },
  }
}
