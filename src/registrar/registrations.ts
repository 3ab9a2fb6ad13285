import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../clock.ts'
import { formatDuration } from '../domain/duration.ts'
import { type ForeignSettings, type ForeignWord, foreignWordsOf } from '../domain/foreign-settings.ts'
import type { PolicyDefaults } from '../domain/policy.ts'
import { portionsOf } from '../domain/portions.ts'
import { quote } from '../domain/quote.ts'
import { type RegistrationSettings, readRegistration } from '../domain/registration.ts'
import { buildService, type Service } from '../domain/service.ts'
import type { Registry } from '../monitor/registry.ts'
import { createSignal, type Signal } from '../monitor/signal.ts'
import type { Registration, Store } from '../store/store.ts'
import { createExpiries } from './expiries.ts'

/** A service registered over HTTP. */
export type Registered = {
  readonly registration: Registration
  readonly settings: RegistrationSettings
  /** Settings that this version cannot read, as a newer one registered it. */
  readonly unread: readonly string[]
  /** What it makes together with the defaults. */
  service: Service
  /** When it is deregistered unless it is registered again, an instant of the clock in milliseconds; null: never. */
  expiresAt: number | null
}

/** The services registered over HTTP that are known here, whoever was asked to register them. What is put or forgotten here is so in the registry. */
export type Registrations = {
  /** Settings of a newer version that this version does not know, each time one is found. */
  readonly foreign: Signal<ForeignWord>
  /** The registration of that name, also while the file hides it. */
  find(name: string): Registered | undefined
  /** A registration with the service that it makes. It is not in force by that. */
  build(registration: Registration, settings: RegistrationSettings): Registered
  /** Puts it in force; its time counts from now on. */
  put(registered: Registered): void
  /** Puts what somebody else registered in force. Returns why it cannot be read, as a sentence; null when it can. */
  adopt(registration: Registration): string | null
  /**
   * Puts what a store keeps in force, and deregisters what it has no longer, some at a time. Whoever is registered or deregistered
   * meanwhile stays so; nobody is to be drained meanwhile. Resolves with what cannot be read, as sentences; it stays in the store.
   */
  restore(registrations: readonly Registration[], drained: readonly string[]): Promise<string[]>
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

/** How much is restored, or given other defaults, in one turn of the event loop: with all that follows, some 5 ms of work. */
const perTurn = { services: 100, targets: 1000 }

/** A registration and what it says; a sentence says why it cannot be read. */
type Read = { readonly registration: Registration; readonly said: ForeignSettings<RegistrationSettings> | string }

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
  /** What is being restored and is not in force yet. */
  let awaited = new Map<string, Registration>()
  const expiries = createExpiries({ clock, end })
  const foreign = createSignal<ForeignWord>()
  let defaults = firstDefaults

  function build(
    registration: Registration,
    settings: RegistrationSettings,
    unread: readonly string[] = [],
  ): Registered {
    const service = buildWith(registration.name, settings, unread)
    return { registration, settings, unread, service, expiresAt: null }
  }

  function buildWith(name: string, settings: RegistrationSettings, unread: readonly string[]): Service {
    return buildService(name, settings, defaults, 'http', unread)
  }

  /** The registry does not have it by that. */
  function hold(entry: Registered): void {
    registered.set(entry.registration.name, entry)
    awaited.delete(entry.registration.name)
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

  function read(registration: Registration): Read {
    const where = `the registration of ${quote(registration.name)}`
    const said = readRegistration(registration.definition)
    if (typeof said === 'string') return { registration, said: `${where} cannot be read: ${said}` }
    for (const word of foreignWordsOf(said, where)) foreign.emit(word)
    return { registration, said }
  }

  function* readAll(registrations: Iterable<Registration>): Generator<Read> {
    for (const registration of registrations) yield read(registration)
  }

  const isHeld = (entry: Registered) => registered.get(entry.registration.name) === entry

  /** Puts in force what can be read of these, but for what was registered or deregistered since they were awaited. Returns what cannot. */
  function putAwaited(some: readonly Read[]): string[] {
    const unread: string[] = []
    const services: Service[] = []
    for (const { registration, said } of some) {
      if (awaited.get(registration.name) !== registration) continue
      awaited.delete(registration.name)
      if (typeof said === 'string') {
        unread.push(said)
        continue
      }
      const entry = build(registration, said.settings, said.unread)
      hold(entry)
      services.push(entry.service)
    }
    registry.register(services)
    return unread
  }

  /** Has some of the services that are drained, or no longer, be so in each turn of the event loop. */
  function setDrained(names: readonly string[], drained: boolean): Promise<void> {
    const countTargets = (name: string) => registry.services.get(name)?.targets.length ?? 0
    return inTurns(names, countTargets, (some) => registry.setDrained(some, drained))
  }

  function forget(name: string, cause: string): void {
    const wasHidden = registry.services.get(name)?.origin === 'file'
    const wasDrained = registry.drained.has(name)
    registered.delete(name)
    awaited.delete(name)
    expiries.set(name, null)
    registry.deregister(name, cause)
    if (!wasHidden) registry.setDrained([name], false)
    // The store forgot this with the registration, but it is the file's service that is drained.
    else if (wasDrained) void store.setDrained(name, true)
  }

  return {
    foreign,
    find: (name) => registered.get(name),
    build,
    put,
    adopt(registration) {
      const { said } = read(registration)
      if (typeof said === 'string') return said
      put(build(registration, said.settings, said.unread))
      return null
    },
    async restore(registrations, drained) {
      const kept = new Set(registrations.map(({ name }) => name))
      const keptDrained = new Set(drained)
      const gone = [...registered.values()].filter(({ registration }) => !kept.has(registration.name))
      const isKnown = ({ name, revision }: Registration) => registered.get(name)?.registration.revision === revision
      const others = registrations.filter((registration) => !isKnown(registration))
      awaited = new Map(others.map((registration) => [registration.name, registration]))

      await inTurns(gone, targetsOf, (some) => {
        for (const { registration } of some.filter(isHeld)) forget(registration.name, 'deregistered')
      })
      const undrained = [...registry.drained].filter((name) => !keptDrained.has(name))
      await setDrained(undrained, false)
      const newlyDrained = drained.filter((name) => !registry.drained.has(name))
      await setDrained(newlyDrained, true)
      const unread: string[] = []
      await inTurns(readAll(others), targetsRead, (some) => unread.push(...putAwaited(some)))
      return unread
    },
    renew(name) {
      const entry = registered.get(name)
      if (entry !== undefined) renew(entry)
    },
    endAt: expiries.set,
    forget,
    setDefaults(next) {
      defaults = next
      return inTurns([...registered.values()], targetsOf, (some) => {
        // Who is deregistered meanwhile does not come up any more.
        const left = some.filter(isHeld)
        for (const entry of left) entry.service = buildWith(entry.registration.name, entry.settings, entry.unread)
        registry.register(left.map(({ service }) => service))
      })
    },
    expireDue: expiries.runDue,
    close: expiries.close,
  }
}

/** Does something with all of these, some in each turn of the event loop. */
async function inTurns<Item>(
  items: Iterable<Item>,
  targetsOf: (item: Item) => number,
  act: (some: readonly Item[]) => void,
): Promise<void> {
  for (const some of portionsOf(items, perTurn, targetsOf)) {
    act(some)
    await setImmediate()
  }
}

function targetsOf({ settings }: Registered): number {
  return settings.targets.length
}

function targetsRead({ said }: Read): number {
  return typeof said === 'string' ? 0 : said.settings.targets.length
}
