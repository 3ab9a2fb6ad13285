import type { Registry } from '../monitor/registry.ts'

/** So many snapshots are kept at most, each of other services. */
const mostKept = 4
/** How long a snapshot is kept, in milliseconds. */
const keptMs = 1000

/** Returns what `make` makes, or what it made under the same name within the last second. It is told whether others may share that. */
export type Snapshots<Value> = (name: string, make: (isShared: boolean) => Promise<Value>) => Promise<Value>

/**
 * Has clients that ask for the same services at about the same time share what is made for them, until the registry changes. So many clients
 * that take an answer slowly hold it once.
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
