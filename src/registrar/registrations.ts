import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../clock.ts'
import { formatDuration } from '../domain/duration.ts'
import { type ForeignSettings, type ForeignWord, foreignWordsOf } from '../domain/foreign-settings.ts'
import { expiredLifetime, type Lifetime, renewedLifetime } from '../domain/lifetime.ts'
import { noPauses, type Pauses } from '../domain/pause.ts'
import type { PolicyDefaults } from '../domain/policy.ts'
import { portionsOf } from '../domain/portions.ts'
import { quote } from '../domain/quote.ts'
import { type RegistrationSettings, readRegistration } from '../domain/registration.ts'
import { buildService, expireService, type Service } from '../domain/service.ts'
import type { Registry } from '../monitor/registry.ts'
import { createSignal, type Signal } from '../monitor/signal.ts'
import type { KeptRegistration, Registration, Store } from '../store/store.ts'
import { createUnreadableEntries, type UnreadableEntries } from '../store/unreadable.ts'
import { createExpiries } from './expiries.ts'

/** A service registered over HTTP. */
export type Registered = {
  readonly registration: Registration
  readonly settings: RegistrationSettings
  /** Settings that this version cannot read, as a newer one registered it. */
  readonly unread: readonly string[]
  /** What it makes together with the defaults. */
  service: Service
  /** Times are instants of the clock. */
  lifetime: Lifetime
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
  /** Puts in force that a registration of this revision is expired since that time, in milliseconds since the epoch: it reads as down. */
  expire(name: string, revision: number, expiredAt: number): void
  /** Those that are expired and that no service of the file hides, the longest expired first. */
  expired(): Registered[]
  /**
   * Puts what a store keeps in force, and deregisters what it has no longer, some at a time. Whoever is registered or deregistered
   * meanwhile stays so; nobody is to be drained meanwhile. Resolves with what cannot be read, as sentences; it stays in the store.
   */
  restore(registrations: readonly KeptRegistration[], drained: readonly string[]): Promise<string[]>
  /** The same was registered again: its time counts anew, and it is not expired any more. */
  renew(name: string): void
  /** Calls `onDue` for a registration when its lifetime says, or at this instant of the clock, in milliseconds. */
  schedule(name: string, at?: number): void
  /** Takes a registration out of force, for a cause that a sentence tells, and ends its drain. */
  deregister(name: string, cause: string): void
  /** Takes a registration out of force likewise; a drain goes on. */
  forget(name: string, cause: string): void
  /** Puts other defaults in force, which hold for what registrations leave out: at once for who registers from now on, some at a time for those there are. */
  setDefaults(defaults: PolicyDefaults): Promise<void>
  /** Calls `onDue` for each registration whose time came; returns when to look again, null when nothing expires. */
  expireDue(): number | null
  close(): void
}

/** How much is restored, or given other defaults, in one turn of the event loop: with all that follows, some 5 ms of work. */
const perTurn = { services: 100, targets: 1000 }

/** A registration and what it says; a sentence says why it cannot be read. */
type Read = { readonly registration: KeptRegistration; readonly said: ForeignSettings<RegistrationSettings> | string }

/** Says why a registration is gone whose time to live ended. */
export function expiryOf({ settings }: Registered): string {
  return `deregistered: not registered again within its ttl of ${formatDuration(settings.ttl ?? 0)}`
}

/** Calls `onDue` with each name whose time came; nothing else becomes of it by that. */
export function createRegistrations({
  registry,
  store,
  clock,
  defaults: firstDefaults,
  onDue,
  pauses = noPauses,
  unreadable = createUnreadableEntries(),
}: {
  registry: Registry
  store: Pick<Store, 'setDrained'>
  clock: Clock
  defaults: PolicyDefaults
  onDue: (name: string) => void
  pauses?: Pauses
  /** Is told of registrations that cannot be read. */
  unreadable?: UnreadableEntries
}): Registrations {
  const registered = new Map<string, Registered>()
  /** The names of those that are expired, the longest expired first. */
  const expired = new Set<string>()
  /** What is being restored and is not in force yet. */
  let awaited = new Map<string, KeptRegistration>()
  const expiries = createExpiries({ clock, end: onDue, pauses })
  const foreign = createSignal<ForeignWord>()
  let defaults = firstDefaults

  function build(
    registration: Registration,
    settings: RegistrationSettings,
    unread: readonly string[] = [],
  ): Registered {
    const lifetime = renewedLifetime(settings, clock.now())
    return {
      registration,
      settings,
      unread,
      service: buildWith(registration.name, settings, unread, lifetime),
      lifetime,
    }
  }

  function buildWith(
    name: string,
    settings: RegistrationSettings,
    unread: readonly string[],
    { isExpired }: Lifetime,
  ): Service {
    const service = buildService(name, settings, defaults, 'http', unread)
    return isExpired && settings.ttl !== undefined ? expireService(service, settings.ttl) : service
  }

  function rebuilt({ registration, settings, unread, lifetime }: Registered): Service {
    return buildWith(registration.name, settings, unread, lifetime)
  }

  /** Holds a registration from now on, which does not put it into the registry. */
  function hold(entry: Registered, lifetime: Lifetime): void {
    registered.set(entry.registration.name, entry)
    awaited.delete(entry.registration.name)
    setLifetime(entry, lifetime)
  }

  /** Returns whether the registration expired by that, or is not expired any more. */
  function setLifetime(entry: Registered, lifetime: Lifetime): boolean {
    const { name } = entry.registration
    const hasTurned = lifetime.isExpired !== entry.lifetime.isExpired
    entry.lifetime = lifetime
    if (hasTurned) entry.service = rebuilt(entry)
    if (lifetime.isExpired) expired.add(name)
    else expired.delete(name)
    expiries.set(name, lifetime.dueAt)
    return hasTurned
  }

  /** Puts the lifetimes of registrations in force that are held. */
  function turn(entries: readonly Registered[], lifetimeOf: (entry: Registered) => Lifetime): void {
    const turned = entries.filter((entry) => setLifetime(entry, lifetimeOf(entry)))
    if (turned.length > 0) registry.register(turned.map(({ service }) => service))
  }

  function put(entry: Registered): void {
    unreadable.forgetRegistration(entry.registration.name)
    hold(entry, renewedLifetime(entry.settings, clock.now()))
    registry.register([entry.service])
  }

  function read(registration: KeptRegistration): Read {
    const where = `the registration of ${quote(registration.name)}`
    const said = readRegistration(registration.definition)
    if (typeof said === 'string') {
      unreadable.note('registrations', { place: where, why: said, registration: registration.name })
      return { registration, said: `${where} cannot be read: ${said}` }
    }
    for (const word of foreignWordsOf(said, where)) foreign.emit(word)
    return { registration, said }
  }

  function* readAll(registrations: Iterable<KeptRegistration>): Generator<Read> {
    for (const registration of registrations) yield read(registration)
  }

  const isHeld = (entry: Registered) => registered.get(entry.registration.name) === entry

  /** The lifetime that a registration goes on with which a store kept: its time to live counts from now on unless it is expired. */
  function keptLifetime(settings: RegistrationSettings, expiredAt: number | undefined): Lifetime {
    const now = clock.now()
    return expiredAt === undefined
      ? renewedLifetime(settings, now)
      : expiredLifetime(settings, clock.fromEpoch(expiredAt), now)
  }

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
      const { expiredAt, ...plain } = registration
      const entry = build(plain, said.settings, said.unread)
      hold(entry, keptLifetime(said.settings, expiredAt))
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
    unreadable.forgetRegistration(name)
    registered.delete(name)
    awaited.delete(name)
    expired.delete(name)
    expiries.set(name, null)
    registry.deregister(name, cause)
  }

  function deregister(name: string, cause: string): void {
    const wasHidden = registry.services.get(name)?.origin === 'file'
    const wasDrained = registry.drained.has(name)
    forget(name, cause)
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
    expire(name, revision, expiredAt) {
      const entry = registered.get(name)
      if (entry?.registration.revision !== revision) return
      turn([entry], ({ settings }) => expiredLifetime(settings, clock.fromEpoch(expiredAt), clock.now()))
    },
    expired: () =>
      [...expired].flatMap((name) => {
        const entry = registered.get(name)
        return entry === undefined || registry.services.get(name)?.origin !== 'http' ? [] : [entry]
      }),
    async restore(registrations, drained) {
      const kept = new Set(registrations.map(({ name }) => name))
      const keptDrained = new Set(drained)
      // One that the store has and that cannot be read stays as it was last known.
      const isGone = (name: string) => !kept.has(name) && unreadable.whyRegistration(name) === null
      const gone = [...registered.values()].filter(({ registration }) => isGone(registration.name))
      unreadable.replace('registrations', [])
      const isKnown = ({ name, revision }: Registration) => registered.get(name)?.registration.revision === revision
      const known = new Map(registrations.filter(isKnown).map((one) => [one.name, one]))
      const others = registrations.filter((one) => !known.has(one.name))
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
      // While the store was away nothing could be registered again.
      const again = [...registered.values()].filter(({ registration }) => known.has(registration.name))
      await inTurns(again, targetsOf, (some) => {
        turn(some.filter(isHeld), ({ registration, settings, lifetime }) => {
          const expiredAt = known.get(registration.name)?.expiredAt
          return lifetime.isExpired && expiredAt !== undefined ? lifetime : keptLifetime(settings, expiredAt)
        })
      })
      return unread
    },
    renew(name) {
      const entry = registered.get(name)
      if (entry !== undefined) turn([entry], ({ settings }) => renewedLifetime(settings, clock.now()))
    },
    schedule(name, at) {
      expiries.set(name, at ?? registered.get(name)?.lifetime.dueAt ?? null)
    },
    deregister,
    forget,
    setDefaults(next) {
      defaults = next
      return inTurns([...registered.values()], targetsOf, (some) => {
        // Who is deregistered meanwhile does not come up any more.
        const left = some.filter(isHeld)
        for (const entry of left) entry.service = rebuilt(entry)
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
