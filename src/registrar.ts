import type { Clock } from './clock.ts'
import { formatDuration } from './domain/duration.ts'
import type { Limits } from './domain/limits.ts'
import { quote } from './domain/quote.ts'
import { type RegistrationSettings, readRegistration, writeRegistration } from './domain/registration.ts'
import { buildService, type PolicySettings } from './domain/service.ts'
import { createHeap, type Timed } from './heap.ts'
import type { Registry } from './monitor/registry.ts'
import type { Condition, Put, Registration, Removed, Store, Stored } from './store/store.ts'

/** A service registered over HTTP. */
export type Registered = {
  readonly registration: Registration
  readonly settings: RegistrationSettings
  /** When it is deregistered unless it is registered again, an instant of the clock in milliseconds; null: never. */
  expiresAt: number | null
}

/** Registers and drains services at run time. What it confirms is in the store, and then in the registry. */
export type Registrar = {
  /** The registration of that name, also while the file hides it. */
  find(name: string): Registered | undefined
  put(name: string, settings: RegistrationSettings, condition: Condition): Promise<Stored<Put>>
  remove(name: string, condition: Condition): Promise<Stored<Removed>>
  setDrained(name: string, drained: boolean): Promise<Stored<null>>
  /** Why no service of a new name may be registered now, as a sentence; null when it may. */
  refusalOf(name: string): string | null
  /** Puts what a store kept in force. Returns what cannot be read, as sentences; it stays in the store. */
  restore(registrations: readonly Registration[], drained: readonly string[]): string[]
  /** Puts other defaults in force, which hold for what registrations leave out. */
  setDefaults(defaults: PolicySettings): void
  /** Deregisters what was not registered again in time; returns when to look again, null when nothing expires. */
  expireDue(): number | null
  close(): void
}

/** Not before this is looked again for what expires, so that many which expire one by one do not wake the process for each. Milliseconds. */
const leastSleepMs = 100
/** Node.js fires a timer at once when it is set further ahead than this. Milliseconds. */
const mostSleepMs = 2 ** 31 - 1

type Expiry = Timed & { readonly name: string }

export function createRegistrar({
  registry,
  store,
  clock,
  limits,
  defaults: firstDefaults = {},
}: {
  registry: Registry
  store: Store
  clock: Clock
  limits: Limits
  defaults?: PolicySettings
}): Registrar {
  const registered = new Map<string, Registered>()
  const expiries = createHeap<Expiry>()
  const expiryOf = new Map<string, Expiry>()
  let defaults = firstDefaults
  /** New services that the store is asked for. */
  let arriving = 0
  let timer: NodeJS.Timeout | undefined

  function hold(registration: Registration, settings: RegistrationSettings): void {
    registered.set(registration.name, { registration, settings, expiresAt: null })
    renew(registration.name)
  }

  /** From now on its time counts anew. */
  function renew(name: string): void {
    const entry = registered.get(name)
    if (entry === undefined) return
    forgetExpiry(name)
    const { ttl } = entry.settings
    entry.expiresAt = ttl === undefined ? null : clock.now() + ttl
    if (entry.expiresAt === null) return
    const expiry = { name, dueAt: entry.expiresAt, heapIndex: -1 }
    expiryOf.set(name, expiry)
    expiries.push(expiry)
    if (expiries.peek() === expiry) arm(expiry.dueAt)
  }

  function forgetExpiry(name: string): void {
    const expiry = expiryOf.get(name)
    if (expiry === undefined) return
    expiryOf.delete(name)
    expiries.remove(expiry)
  }

  function forget(name: string, cause: string): void {
    const wasHidden = registry.services.get(name)?.origin === 'file'
    const wasDrained = registry.drained.has(name)
    registered.delete(name)
    forgetExpiry(name)
    if (!wasHidden) registry.setDrained([name], false)
    // The store forgot this with the registration, but it is the file's service that is drained.
    else if (wasDrained) void store.setDrained(name, true)
    registry.deregister(name, cause)
  }

  function build({ registration: { name }, settings }: Registered) {
    return buildService(name, settings, defaults, 'http')
  }

  function expireDue(): number | null {
    const now = clock.now()
    for (;;) {
      const next = expiries.peek()
      if (next === undefined || next.dueAt > now) return next?.dueAt ?? null
      const entry = registered.get(next.name) as Registered
      // Should the store not be able to, it comes back with the next start, for its ttl.
      void store.remove(next.name, { ifMatch: [entry.registration.revision] })
      const ttl = formatDuration(entry.settings.ttl ?? 0)
      forget(next.name, `deregistered: not registered again within its ttl of ${ttl}`)
    }
  }

  function arm(at: number | null): void {
    clearTimeout(timer)
    if (at === null) return
    const sleepMs = Math.min(Math.max(at - clock.now(), leastSleepMs), mostSleepMs)
    timer = setTimeout(() => arm(expireDue()), sleepMs).unref()
  }

  return {
    find: (name) => registered.get(name),
    refusalOf(name) {
      if (registry.services.has(name) || registry.services.size + arriving < limits.services) return null
      return `there are ${registry.services.size} services, and limits.services allows no more: deregister some, or raise it`
    },
    async put(name, settings, condition) {
      // At once: else it could expire while the store is asked, and be confirmed and gone.
      renew(name)
      const isNew = !registry.services.has(name)
      if (isNew) arriving++
      const stored = await store.put(name, writeRegistration(settings), condition)
      if (isNew) arriving--
      if (!stored.ok || !stored.value.done) return stored
      const { registration } = stored.value
      if (registered.get(name)?.registration.revision !== registration.revision) hold(registration, settings)
      const entry = registered.get(name)
      if (entry !== undefined) registry.register([build(entry)])
      return stored
    },
    async remove(name, condition) {
      const stored = await store.remove(name, condition)
      if (stored.ok && stored.value.done) forget(name, 'deregistered')
      return stored
    },
    async setDrained(name, drained) {
      const stored = await store.setDrained(name, drained)
      if (stored.ok) registry.setDrained([name], drained)
      return stored
    },
    restore(registrations, drained) {
      const unread: string[] = []
      for (const registration of registrations) {
        const settings = readRegistration(registration.definition)
        if (typeof settings !== 'string') hold(registration, settings)
        else unread.push(`the registration of ${quote(registration.name)} cannot be read: ${settings}`)
      }
      registry.setDrained(drained, true)
      registry.register([...registered.values()].map(build))
      return unread
    },
    setDefaults(next) {
      defaults = next
      registry.register([...registered.values()].map(build))
    },
    expireDue,
    close: () => clearTimeout(timer),
  }
}
