import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../clock.ts'
import { formatDuration } from '../domain/duration.ts'
import type { PolicyDefaults } from '../domain/policy.ts'
import { quote } from '../domain/quote.ts'
import { type RegistrationSettings, readRegistration } from '../domain/registration.ts'
import { buildService, type Service } from '../domain/service.ts'
import type { Registry } from '../monitor/registry.ts'
import type { Registration, Store } from '../store/store.ts'
import { createExpiries } from './expiries.ts'

/** A service registered over HTTP. */
export type Registered = {
  readonly registration: Registration
  readonly settings: RegistrationSettings
  /** What it makes together with the defaults. */
  service: Service
  /** When it is deregistered unless it is registered again, an instant of the clock in milliseconds; null: never. */
  expiresAt: number | null
}

/** The services registered over HTTP that are known here, whoever was asked to register them. What is put or forgotten here is so in the registry. */
export type Registrations = {
  /** The registration of that name, also while the file hides it. */
  find(name: string): Registered | undefined
  /** A registration with the service that it makes. It is not in force by that. */
  build(registration: Registration, settings: RegistrationSettings): Registered
  /** Puts it in force; its time counts from now on. */
  put(registered: Registered): void
  /** Puts what somebody else registered in force. Returns why it cannot be read, as a sentence; null when it can. */
  adopt(registration: Registration): string | null
  /** Puts what a store keeps in force, and deregisters what it has no longer. Returns what cannot be read, as sentences; it stays in the store. */
  restore(registrations: readonly Registration[], drained: readonly string[]): string[]
  /** The same was registered again: its time counts anew. */
  renew(name: string): void
  /** Calls for the end of a registration at this instant of the clock, in milliseconds, whatever its time to live says, and leaves `expiresAt` as it is; null: never. */
  endAt(name: string, at: number | null): void
  /** It was deregistered, or its time ended: a sentence says which. */
  forget(name: string, cause: string): void
  /** Puts other defaults in force, which hold for what registrations leave out: at once for who registers from now on, some at a time for those there are. */
  setDefaults(defaults: PolicyDefaults): Promise<void>
  /** Calls for the end of what was not registered again in time; returns when to look again, null when nothing expires. */
  expireDue(): number | null
  close(): void
}

/** How many registrations are given other defaults in one turn of the event loop: with all that follows, some 5 ms of work. */
const perTurn = 100

/** Why a registration is gone whose time to live ended. */
export function expiryOf({ settings }: Registered): string {
  return `deregistered: not registered again within its ttl of ${formatDuration(settings.ttl ?? 0)}`
}

/** Calls `end` with each name whose time is over; it stays registered until it is forgotten. */
export function createRegistrations({
  registry,
  store,
  clock,
  defaults: firstDefaults,
  end,
}: {
  registry: Registry
  store: Pick<Store, 'setDrained'>
  clock: Clock
  defaults: PolicyDefaults
  end: (name: string) => void
}): Registrations {
  const registered = new Map<string, Registered>()
  const expiries = createExpiries({ clock, end })
  let defaults = firstDefaults

  function build(registration: Registration, settings: RegistrationSettings): Registered {
    return { registration, settings, service: buildWith(registration.name, settings), expiresAt: null }
  }

  function buildWith(name: string, settings: RegistrationSettings): Service {
    return buildService(name, settings, defaults, 'http')
  }

  /** The registry does not have it by that. */
  function hold(entry: Registered): void {
    registered.set(entry.registration.name, entry)
    renew(entry)
  }

  function renew(entry: Registered): void {
    const { ttl } = entry.settings
    entry.expiresAt = ttl === undefined ? null : clock.now() + ttl
    expiries.set(entry.registration.name, entry.expiresAt)
  }

  function put(entry: Registered): void {
    hold(entry)
    registry.register([entry.service])
  }

  /** A registration with the service that it makes; a sentence says why it cannot be read. */
  function read(registration: Registration): Registered | string {
    const settings = readRegistration(registration.definition)
    if (typeof settings !== 'string') return build(registration, settings)
    return `the registration of ${quote(registration.name)} cannot be read: ${settings}`
  }

  function forget(name: string, cause: string): void {
    const wasHidden = registry.services.get(name)?.origin === 'file'
    const wasDrained = registry.drained.has(name)
    registered.delete(name)
    expiries.set(name, null)
    registry.deregister(name, cause)
    if (!wasHidden) registry.setDrained([name], false)
    // The store forgot this with the registration, but it is the file's service that is drained.
    else if (wasDrained) void store.setDrained(name, true)
  }

  return {
    find: (name) => registered.get(name),
    build,
    put,
    adopt(registration) {
      const entry = read(registration)
      if (typeof entry === 'string') return entry
      put(entry)
      return null
    },
    restore(registrations, drained) {
      const kept = new Set(registrations.map(({ name }) => name))
      const gone = [...registered.keys()].filter((name) => !kept.has(name))
      for (const name of gone) forget(name, 'deregistered')
      const unread: string[] = []
      for (const registration of registrations) {
        if (registered.get(registration.name)?.registration.revision === registration.revision) continue
        const entry = read(registration)
        if (typeof entry === 'string') unread.push(entry)
        else hold(entry)
      }
      const keptDrained = new Set(drained)
      const undrained = [...registry.drained].filter((name) => !keptDrained.has(name))
      registry.setDrained(undrained, false)
      registry.setDrained(drained, true)
      registry.register([...registered.values()].map(({ service }) => service))
      return unread
    },
    renew(name) {
      const entry = registered.get(name)
      if (entry !== undefined) renew(entry)
    },
    endAt: expiries.set,
    forget,
    async setDefaults(next) {
      defaults = next
      let services: Service[] = []
      for (const entry of registered.values()) {
        entry.service = buildWith(entry.registration.name, entry.settings)
        services.push(entry.service)
        if (services.length < perTurn) continue
        registry.register(services)
        services = []
        // Who is deregistered meanwhile does not come up any more.
        await setImmediate()
      }
      registry.register(services)
    },
    expireDue: expiries.runDue,
    close: expiries.close,
  }
}
