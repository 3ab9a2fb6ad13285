import { isServiceName } from '../domain/service/service.ts'
import { isEpochMs, readCount, readNumber } from '../domain/values/stored-values.ts'
import type { Registry } from '../monitor/registry/registry.ts'
import { expiryOf, type Registered, type Registrations } from '../registrar/registrations.ts'
import type { Drain } from '../store/redis/entries.ts'
import type { StoredRegistration } from '../store/store.ts'

const kinds: readonly string[] = ['put', 'renewed', 'expired', 'removed', 'drained']
/** How many removals are remembered. The oldest are forgotten first. */
const mostRemoved = 10_000

/** The last known version of a registration. Its definition is null once it is removed. */
type Known = { readonly revision: number; readonly definition: string | null }
/** The `ttl` of a registration in milliseconds, or 'expired'; empty if it never expires. */
type WrittenTtl = number | 'expired' | ''

/** The registry as all replicas share it. A replica remembers the registry so that a store that lost it can get it back. */
export type SharedRegistry = {
  /** Returns whether entries of a kind concern the registry. */
  takes(kind: string): boolean
  /** Returns why such an entry cannot be read, as a clause; null if it can. A definition in it is validated when the entry is applied. */
  whyUnreadable(kind: string, fields: ReadonlyMap<string, string>): string | null
  /** Applies a readable entry of the stream. Returns the problem of its definition, as a sentence; null if there is none. */
  take(kind: string, fields: ReadonlyMap<string, string>): string | null
  /** Returns all that is known, in the form that the store reconciles: kind, name, revision, value and time to live of each. */
  written(): [kind: string, name: string, revision: number, value: string | number, ttl: WrittenTtl][]
  /**
   * Applies the data of the store in batches, after both sides were reconciled. The caller must apply no entry before this resolves. A registration
   * that `isUnreadable` in the store stays as this replica knows it. Resolves with sentences about registrations that cannot be read.
   */
  restore(
    registrations: readonly StoredRegistration[],
    drains: readonly (readonly [name: string, Drain])[],
    isUnreadable?: (name: string) => boolean,
  ): Promise<string[]>
  /** Returns the last known text of a registration in the store; null if it is not known. */
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

  function applyRevision(name: string, revision: number, definition: string | null): boolean {
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
    // A replica of an older version ends a drain together with the registration, and its entry does not say so.
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
      if (kind === 'put' && applyRevision(name, revision, text('definition')))
        return registrations.adopt({ name, revision, definition: text('definition') })
      if (kind === 'expired') registrations.expire(name, revision, Number(text('at')))
      if (kind === 'removed' && applyRevision(name, revision, null)) takeRemoval(name, revision, fields)
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
      for (const { name, revision, definition } of kept) applyRevision(name, revision, definition)
      drains.clear()
      for (const [name, drain] of keptDrains) drains.set(name, drain)
      const drained = [...drains].filter(([, drain]) => drain.drained).map(([name]) => name)
      return registrations.restore(kept, drained)
    },
  }
}

/** Returns why an entry about the registry cannot be read, as a clause; null if it can. */
function whyUnreadable(kind: string, fields: ReadonlyMap<string, string>): string | null {
  if (!isServiceName(fields.get('name') ?? '')) return 'its name is not a valid service name'
  if (readCount(fields.get('revision')) === null) return 'its revision is not a number'
  if (kind === 'put' && !fields.has('definition')) return 'it has no definition'
  if (kind === 'expired' && !isEpochMs(readNumber(fields.get('at')))) return 'its time is not a valid time'
  if (kind === 'drained' && !/^[01]$/.test(fields.get('drained') ?? '')) return 'its field "drained" is neither 1 nor 0'
  return null
}

function writtenTtl(registered: Registered | undefined): WrittenTtl {
  if (registered === undefined) return ''
  return registered.lifetime.isExpired ? 'expired' : (registered.settings.ttl ?? '')
}
