import { join } from 'node:path'
import type { Dating } from '../clock.ts'
import type { Loaded, Operation } from './sqlite-statements.ts'
import { startStoreThread } from './sqlite-thread.ts'
import type { Kept, KeptTransition, Put, Removed, Retention, Store, Stored } from './store.ts'

/** How many transitions come from the thread in one message: taking it holds the process up, and all at once would fill its memory. */
const portion = 2000

/**
 * Opens `porthole.db` in a directory, and makes both where they are missing. What is confirmed outlives a power cut. A file that
 * can only be read is served, and changes of it fail until it can be written. A failure is a sentence that names the file and
 * the remedy. `now` tells milliseconds since the epoch, and `since` is from when on a new file will miss no transition.
 *
 * SQLite waits for the disk, so it has a thread of its own; what is asked while it waits is committed together next.
 */
export async function openSqliteStore({
  directory,
  retention,
  now = Date.now,
  since = now(),
  dating,
}: {
  readonly directory: string
  readonly retention: Retention
  readonly now?: () => number
  readonly since?: number
  /** By which `since` is told. */
  readonly dating?: Dating
}): Promise<Stored<Store>> {
  const started = await startStoreThread({ file: join(directory, 'porthole.db'), retention, now: since })
  if (!started.ok) return started
  const { ask, close } = started.value
  const asking = <Value>(operation: Operation) => ask(operation) as Promise<Stored<Value>>

  // Before anything is read: the process before this one may have ended between a correction of the clock and its next write.
  if (dating !== undefined) await asking({ kind: 'redate', dating })

  async function load(): Promise<Stored<Kept>> {
    const loaded = await asking<Loaded>({ kind: 'load' })
    if (!loaded.ok) return loaded
    const transitions: KeptTransition[] = []
    for (;;) {
      const after = transitions.at(-1)?.id ?? 0
      const found = await asking<KeptTransition[]>({ kind: 'loadTransitions', after, limit: portion })
      if (!found.ok) return found
      transitions.push(...found.value)
      if (found.value.length < portion) return { ok: true, value: { ...loaded.value, transitions } }
    }
  }

  return {
    ok: true,
    value: {
      name: 'sqlite',
      load,
      put: (name, definition, condition) => asking<Put>({ kind: 'put', name, definition, condition, now: now() }),
      remove: (name, condition) => asking<Removed>({ kind: 'remove', name, condition }),
      expire: (name, revision, step, dating) =>
        asking<Removed>({ kind: 'expire', name, revision, step, now: now(), dating }),
      setDrained: (name, drained) => asking<null>({ kind: 'setDrained', name, drained, now: now() }),
      append: (transitions, missing, dating) => asking<null>({ kind: 'append', transitions, missing, dating }),
      addAbsence: (absence, dating, ownEnds = 'both') => asking<null>({ kind: 'addAbsence', absence, dating, ownEnds }),
      beat: (at, dating) => asking<null>({ kind: 'beat', now: at, dating }),
      close,
    },
  }
}
