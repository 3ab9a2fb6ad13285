import type { Registry } from '../../monitor/registry/registry.ts'

/** The most snapshots that are cached, each of a different selection of services. */
const mostKept = 4
/** How long a snapshot is cached, in milliseconds. */
const keptMs = 1000

/**
 * Returns the result of `make`, or its result under the same name within the last second. The argument of `make` tells whether other clients may share
 * the result.
 */
export type Snapshots<Value> = (name: string, make: (isShared: boolean) => Promise<Value>) => Promise<Value>

/**
 * Creates a cache through which clients that ask for the same services within one second share one result, until the registry changes. So many
 * clients that read an answer slowly hold its memory once.
 */
export function createSnapshots<Value>({ changed }: Pick<Registry, 'changed'>): Snapshots<Value> & { close(): void } {
  const kept = new Map<string, Promise<Value>>()
  const forget = (name: string, made: Promise<Value>) => kept.get(name) === made && kept.delete(name)
  const stopListening = changed.subscribe(() => kept.clear())
  const share: Snapshots<Value> = (name, make) => {
    const last = kept.get(name)
    if (last !== undefined) return last
    if (kept.size >= mostKept) return make(false)
    const made = make(true)
    kept.set(name, made)
    setTimeout(forget, keptMs, name, made).unref()
    made.catch(() => forget(name, made))
    return made
  }
  return Object.assign(share, { close: stopListening })
}
