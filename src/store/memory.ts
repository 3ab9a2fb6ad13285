import { conditionHolds } from './condition.ts'
import type { KeptTransition, Registration, Retention, Store, Stored } from './store.ts'

/**
 * Keeps everything for as long as the process lives. So there is never an absence to tell of, and a new one begins with nothing, complete
 * since it was made. `now` tells milliseconds since the epoch.
 */
export function createMemoryStore({ maxCount, maxAgeMs }: Retention, now: () => number = Date.now): Store {
  const registrations = new Map<string, Registration>()
  const drained = new Set<string>()
  /** The oldest first. */
  let transitions: KeptTransition[] = []
  const createdAt = now()
  let completeAfter = { id: Math.floor(createdAt) * 1000, at: createdAt }
  let lastRevision = 0

  function forget(count: number): void {
    const newest = transitions[count - 1]
    if (newest === undefined) return
    if (newest.id > completeAfter.id) completeAfter = { id: newest.id, at: newest.at }
    transitions = transitions.slice(count)
  }

  function forgetOlderThan(at: number): void {
    const kept = transitions.findIndex((transition) => transition.at >= at)
    forget(kept < 0 ? transitions.length : kept)
  }

  return {
    name: 'memory',
    async load(at) {
      forgetOlderThan(at - maxAgeMs)
      forget(transitions.length - maxCount)
      return stored({
        registrations: [...registrations.values()],
        drained: [...drained],
        transitions: [...transitions],
        completeAfter,
        absences: [],
      })
    },
    async put(name, definition, condition) {
      const old = registrations.get(name)
      if (!conditionHolds(condition, old?.revision ?? null))
        return stored({ done: false, revision: old?.revision ?? null })
      if (old?.definition === definition) return stored({ done: true, registration: old, created: false })
      lastRevision = Math.max(lastRevision + 1, Math.floor(now()))
      const registration = { name, definition, revision: lastRevision }
      registrations.set(name, registration)
      return stored({ done: true, registration, created: old === undefined })
    },
    async remove(name, condition) {
      const old = registrations.get(name)
      if (old === undefined || !conditionHolds(condition, old.revision))
        return stored({ done: false, revision: old?.revision ?? null })
      registrations.delete(name)
      drained.delete(name)
      return stored({ done: true })
    },
    async setDrained(name, isDrained) {
      if (isDrained) drained.add(name)
      else drained.delete(name)
      return stored(null)
    },
    async append(added, missing) {
      const [first] = added
      if (first === undefined) return stored(null)
      if (missing && first.id - 1 > completeAfter.id) completeAfter = { id: first.id - 1, at: first.at }
      const lastId = transitions.at(-1)?.id ?? 0
      transitions.push(...added.filter(({ id }) => id > lastId))
      forgetOlderThan(Math.max(...added.map(({ at }) => at)) - maxAgeMs)
      // Not one at a time: what goes in front moves all the rest.
      if (transitions.length >= maxCount * 1.1) forget(transitions.length - maxCount)
      return stored(null)
    },
    async beat(at) {
      forgetOlderThan(at - maxAgeMs)
      return stored(null)
    },
    async close() {},
  }
}

const stored = <Value>(value: Value): Stored<Value> => ({ ok: true, value })
