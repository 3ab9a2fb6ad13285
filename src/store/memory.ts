import type { Gap } from '../domain/health/gap.ts'
import { conditionHolds } from './condition.ts'
import type { Condition, Removed, Retention, Store, Stored, StoredRegistration, StoredTransition } from './store.ts'

/** Creates a store that lasts as long as the process, so that no earlier process ever used it. `now` returns milliseconds since the epoch. */
export function createMemoryStore({ maxCount, maxAgeMs }: Retention, now: () => number = Date.now): Store {
  const registrations = new Map<string, StoredRegistration>()
  const drained = new Set<string>()
  /** The oldest first. */
  let transitions: StoredTransition[] = []
  let gaps: Gap[] = []
  const createdAt = now()
  let completeAfter = { id: Math.floor(createdAt) * 1000, at: createdAt }
  let lastRevision = 0
  let forgottenId = 0

  function completeOnlyAfter(id: number, at: number): void {
    if (id > completeAfter.id) completeAfter = { id, at }
  }

  /** Deletes this transition and all before it, except the last transition of each service itself, unless that one is to `unknown`. */
  function forget(newest: StoredTransition | undefined): void {
    if (newest === undefined || newest.id <= forgottenId) return
    const own = transitions.filter(({ target }) => target === null)
    const last = new Map(own.map((transition) => [transition.service, transition]))
    transitions = transitions.filter(
      (one) => one.id > newest.id || (last.get(one.service) === one && one.to !== 'unknown'),
    )
    forgottenId = newest.id
    completeOnlyAfter(newest.id, newest.at)
  }

  /** Applies a change to a registration, if it exists and the condition holds. */
  function change(name: string, condition: Condition, act: (old: StoredRegistration) => void): Stored<Removed> {
    const old = registrations.get(name)
    if (old === undefined || !conditionHolds(condition, old.revision))
      return stored({ done: false, revision: old?.revision ?? null })
    act(old)
    return stored({ done: true })
  }

  return {
    name: 'memory',
    async load() {
      const kept = { registrations: [...registrations.values()], drained: [...drained], transitions: [...transitions] }
      return stored({ ...kept, gaps, completeAfter, aliveAt: null })
    },
    async put(name, definition, condition) {
      const old = registrations.get(name)
      if (!conditionHolds(condition, old?.revision ?? null, old?.expiredAt !== undefined))
        return stored({ done: false, revision: old?.revision ?? null })
      const isNew = old === undefined || condition.ifNoneMatch !== undefined
      if (!isNew && old.definition === definition) {
        const registration = { name, definition, revision: old.revision }
        registrations.set(name, registration)
        return stored({ done: true, registration, change: 'none' })
      }
      lastRevision = Math.max(lastRevision + 1, Math.floor(now()))
      const registration = { name, definition, revision: lastRevision }
      registrations.set(name, registration)
      return stored({ done: true, registration, change: isNew ? 'created' : 'replaced' })
    },
    remove: async (name, condition) =>
      change(name, condition, () => {
        registrations.delete(name)
        drained.delete(name)
      }),
    expire: async (name, revision, step) =>
      change(name, { ifMatch: [revision] }, (old) => {
        if (step === 'deregister') registrations.delete(name)
        else registrations.set(name, { ...old, expiredAt: now() })
      }),
    async setDrained(name, isDrained) {
      if (isDrained) drained.add(name)
      else drained.delete(name)
      return stored(null)
    },
    async append(added, missing) {
      const [first] = added
      if (first === undefined) return stored(null)
      if (missing) completeOnlyAfter(first.id - 1, first.at)
      const lastId = transitions.at(-1)?.id ?? 0
      transitions.push(...added.filter(({ id }) => id > lastId))
      // Delete in batches, because deleting from the front moves all other transitions.
      if (transitions.length > maxCount * 1.1) forget(transitions.at(-1 - maxCount))
      return stored(null)
    },
    async addGap(added) {
      const others = gaps.filter(({ from }) => from !== added.from)
      gaps = [...others, added].sort((a, b) => a.from - b.from)
      return stored(null)
    },
    async heartbeat(at) {
      const oldest = at - maxAgeMs
      const fresh = transitions.findIndex((transition) => transition.id > forgottenId && transition.at >= oldest)
      forget(transitions[(fresh < 0 ? transitions.length : fresh) - 1])
      const past = gaps.filter(({ to }) => to < oldest).map(({ to }) => to)
      completeAfter = { ...completeAfter, at: Math.max(completeAfter.at, ...past) }
      gaps = gaps.filter(({ to }) => to >= oldest)
      return stored(null)
    },
    async close() {},
  }
}

const stored = <Value>(value: Value): Stored<Value> => ({ ok: true, value })
