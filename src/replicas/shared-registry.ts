import { isServiceName } from '../domain/service.ts'
import { isEpochMs, readCount, readNumber } from '../domain/stored-values.ts'
import type { Registry } from '../monitor/registry.ts'
import { expiryOf, type Registered, type Registrations } from '../registrar/registrations.ts'
import type { Drain } from '../store/redis-kept.ts'
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
  /** Returns why such an entry says nothing that can be read, as a clause; null where it does. A definition is read when it is taken in. */
  whyUnreadable(kind: string, fields: ReadonlyMap<string, string>): string | null
  /** Takes in an entry of the stream that can be read. Returns what is wrong with its definition, as a sentence; null when nothing is. */
  take(kind: string, fields: ReadonlyMap<string, string>): string | null
  /** All that is known, as the store takes it to bring both together: kind, name, revision, value and time to live of each. */
  written(): [kind: string, name: string, revision: number, value: string | number, ttl: WrittenTtl][]
  /**
   * Puts what the store keeps in force, once both were brought together, some at a time: until that is done nothing else is to be taken
   * in. What is known of a registration that `isUnreadable` in the store stays known. Resolves with what cannot be read, as sentences.
   */
  restore(
    registrations: readonly KeptRegistration[],
    drains: readonly (readonly [name: string, Drain])[],
    isUnreadable?: (name: string) => boolean,
  ): Promise<string[]>
  /** The text under which a registration is kept, as it was last known; null where it is not known. */
  textOf(name: string): string | null
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
    whyUnreadable,
    take(kind, fields) {
      const text = (field: string) => fields.get(field) ?? ''
      const name = text('name')
      const revision = Number(text('revision'))
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
    textOf(name) {
      const one = known.get(name)
      return one === undefined || one.definition === null ? null : `${one.revision} ${one.definition}`
    },
    restore(kept, keptDrains, isUnreadable = () => false) {
      for (const name of [...known.keys()]) if (!removed.has(name) && !isUnreadable(name)) known.delete(name)
      for (const { name, revision, definition } of kept) note(name, revision, definition)
      drains.clear()
      for (const [name, drain] of keptDrains) drains.set(name, drain)
      const drained = [...drains].filter(([, drain]) => drain.drained).map(([name]) => name)
      return registrations.restore(kept, drained)
    },
  }
}

/** Returns why an entry of the stream says nothing of the registry that can be read, as a clause; null where it does. */
function whyUnreadable(kind: string, fields: ReadonlyMap<string, string>): string | null {
  if (!isServiceName(fields.get('name') ?? '')) return 'its name is none that a service can have'
  if (readCount(fields.get('revision')) === null) return 'its revision is no number'
  if (kind === 'put' && !fields.has('definition')) return 'it has no definition'
  if (kind === 'expired' && !isEpochMs(readNumber(fields.get('at')))) return 'its time is no time'
  if (kind === 'drained' && !/^[01]$/.test(fields.get('drained') ?? '')) return 'it says neither 1 nor 0'
  return null
}

function writtenTtl(registered: Registered | undefined): WrittenTtl {
  if (registered === undefined) return ''
  return registered.lifetime.isExpired ? 'expired' : (registered.settings.ttl ?? '')
}
