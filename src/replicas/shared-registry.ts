import type { Registry } from '../monitor/registry.ts'
import { expiryOf, type Registered, type Registrations } from '../registrar/registrations.ts'
import type { Drain } from '../store/redis.ts'
import type { KeptRegistration } from '../store/store.ts'

const kinds: readonly string[] = ['put', 'renewed', 'expired', 'removed', 'drained']
/** How many removals are remembered, the newest. */
const mostRemoved = 10_000

/** A registration as it was last known; its definition is null once it is removed. */
type Known = { readonly revision: number; readonly definition: string | null }
/** How long a registration holds in milliseconds, if it does not hold for good or is expired. */
type WrittenTtl = number | 'expired' | ''

/** What all replicas know of the registry, kept so that it can be given to a store that lost it. */
export type SharedRegistry = {
  /** Whether entries of a kind say something of the registry. */
  takes(kind: string): boolean
  /** Takes in an entry of the stream. Returns what is wrong with it, as a sentence; null when nothing is. */
  take(kind: string, fields: ReadonlyMap<string, string>): string | null
  /** All that is known, as the store takes it to bring both together: kind, name, revision, value and time to live of each. */
  written(): [kind: string, name: string, revision: number, value: string | number, ttl: WrittenTtl][]
  /**
   * Puts what the store keeps in force, once both were brought together, some at a time: until that is done nothing else is to be taken
   * in. Resolves with what cannot be read, as sentences.
   */
  restore(
    registrations: readonly KeptRegistration[],
    drains: readonly (readonly [name: string, Drain])[],
  ): Promise<string[]>
}

export function createSharedRegistry({
  registrations,
  registry,
}: {
  registrations: Registrations
  registry: Registry
}): SharedRegistry {
  const known = new Map<string, Known>()
  const drains = new Map<string, Drain>()
  const removed = new Set<string>()

  function note(name: string, revision: number, definition: string | null): boolean {
    if (revision <= (known.get(name)?.revision ?? 0)) return false
    known.set(name, { revision, definition })
    removed.delete(name)
    if (definition === null) removed.add(name)
    const [oldest] = removed
    if (removed.size > mostRemoved && oldest !== undefined) {
      removed.delete(oldest)
      known.delete(oldest)
    }
    return true
  }

  function takeRemoval(name: string, revision: number, fields: ReadonlyMap<string, string>): void {
    // A replica that does not know of drains that outlive a registration ends them, and says nothing of it.
    const isDrainKept = fields.get('drain') === 'kept'
    if (!isDrainKept && drains.has(name)) drains.set(name, { revision, drained: false })
    const registered = registrations.find(name)
    if (registered === undefined) return
    const cause = fields.get('expired') === '' ? 'deregistered' : expiryOf(registered)
    if (isDrainKept) registrations.forget(name, cause)
    else registrations.deregister(name, cause)
  }

  return {
    takes: (kind) => kinds.includes(kind),
    take(kind, fields) {
      const text = (field: string) => fields.get(field) ?? ''
      const [name, revision] = [text('name'), Number(text('revision'))]
      if (kind === 'renewed') registrations.renew(name)
      if (kind === 'put' && note(name, revision, text('definition')))
        return registrations.adopt({ name, revision, definition: text('definition') })
      if (kind === 'expired') registrations.expire(name, revision, Number(text('at')))
      if (kind === 'removed' && note(name, revision, null)) takeRemoval(name, revision, fields)
      if (kind === 'drained' && revision > (drains.get(name)?.revision ?? 0)) {
        const drained = text('drained') === '1'
        drains.set(name, { revision, drained })
        registry.setDrained([name], drained)
      }
      return null
    },
    written: () => [
      ...[...known].map(([name, { revision, definition }]): [string, string, number, string, WrittenTtl] =>
        definition === null
          ? ['removed', name, revision, '', '']
          : ['put', name, revision, definition, writtenTtl(registrations.find(name))],
      ),
      ...[...drains].map(([name, { revision, drained }]): [string, string, number, number, ''] => [
        'drained',
        name,
        revision,
        drained ? 1 : 0,
        '',
      ]),
    ],
    restore(kept, keptDrains) {
      for (const name of [...known.keys()]) if (!removed.has(name)) known.delete(name)
      for (const { name, revision, definition } of kept) note(name, revision, definition)
      drains.clear()
      for (const [name, drain] of keptDrains) drains.set(name, drain)
      const drained = [...drains].filter(([, drain]) => drain.drained).map(([name]) => name)
      return registrations.restore(kept, drained)
    },
  }
}

function writtenTtl(registered: Registered | undefined): WrittenTtl {
  if (registered === undefined) return ''
  return registered.lifetime.isExpired ? 'expired' : (registered.settings.ttl ?? '')
}
