import { setImmediate } from 'node:timers/promises'
import { noPauses, type Pauses } from '../domain/health/pause.ts'
import { batchesOf } from '../domain/service/batches.ts'
import { type ForeignSettings, type ForeignWord, foreignWordsOf } from '../domain/service/foreign-settings.ts'
import { expiredLifetime, type Lifetime, renewedLifetime } from '../domain/service/lifetime.ts'
import type { PolicyDefaults } from '../domain/service/policy.ts'
import { type RegistrationSettings, readRegistration } from '../domain/service/registration.ts'
import { buildService, expireService, type Service } from '../domain/service/service.ts'
import { formatDuration } from '../domain/values/duration.ts'
import { quote } from '../domain/values/quote.ts'
import { createEmitter, type Emitter } from '../monitor/emitter.ts'
import type { Registry } from '../monitor/registry/registry.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Registration, Store, StoredRegistration } from '../store/store.ts'
import { createUnreadableEntries, type UnreadableEntries } from '../store/unreadable.ts'
import { createExpiries } from './expiries.ts'

/** A service registered over HTTP. */
export type Registered = {
  readonly registration: Registration
  readonly settings: RegistrationSettings
  /** The settings that this version cannot read, because a newer version registered the service. */
  readonly unread: readonly string[]
  /** The service, built from the settings and the defaults. */
  service: Service
  /** The lifetime. Its times are instants of the clock. */
  lifetime: Lifetime
}

/**
 * The services registered over HTTP that this replica knows, including the registrations of other replicas. A change here also changes the
 * registry.
 */
export type Registrations = {
  /** Emits each setting of a newer version that this version does not know, each time one is found. */
  readonly foreign: Emitter<ForeignWord>
  /** Returns the registration of a name, also while a service of the file hides it. */
  find(name: string): Registered | undefined
  /** Builds the service of a registration, without putting it in force. */
  build(registration: Registration, settings: RegistrationSettings): Registered
  /** Puts a registration in force. Its time to live starts now. */
  put(registered: Registered): void
  /** Puts a registration of another replica in force. Returns why it cannot be read, as a sentence; null if it can. */
  adopt(registration: Registration): string | null
  /** Marks a registration of this revision as expired since that time, in milliseconds since the epoch. Its service is then reported as down. */
  expire(name: string, revision: number, expiredAt: number): void
  /** Returns the expired registrations that no service of the file hides, the longest expired first. */
  expired(): Registered[]
  /**
   * Applies the snapshot of a store in batches: puts its registrations in force and deregisters all others. A change that comes between two
   * batches wins over the snapshot. No service may be drained in between. Resolves with a sentence for each registration that cannot be read; it
   * stays in the store.
   */
  restore(registrations: readonly StoredRegistration[], drained: readonly string[]): Promise<string[]>
  /** Renews a registration: its time to live starts again, and it is not expired any more. */
  renew(name: string): void
  /** Schedules `onDue` for a registration, at the end of its lifetime or at this instant of the clock, in milliseconds. */
  schedule(name: string, at?: number): void
  /** Removes a registration and ends its drain. `cause` is a sentence. */
  deregister(name: string, cause: string): void
  /** Removes a registration; its drain stays. `cause` is a sentence. */
  forget(name: string, cause: string): void
  /** Sets the defaults for settings that registrations leave out. They apply to new registrations at once, and to existing ones in batches. */
  setDefaults(defaults: PolicyDefaults): Promise<void>
  /** Calls `onDue` for each registration that is due. Returns the instant of the next look; null if no registration expires. */
  expireDue(): number | null
  close(): void
}

/** The size of a batch that is restored, or gets other defaults, in one turn of the event loop: about 5 ms of work. */
const perTurn = { services: 100, targets: 1000 }

/** A registration and its settings, or a sentence that says why they cannot be read. */
type Read = {
  readonly registration: StoredRegistration
  readonly parsed: ForeignSettings<RegistrationSettings> | string
}

/** Returns the cause for a registration that is gone because its time to live ended. */
export function expiryOf({ settings }: Registered): string {
  return `deregistered: not registered again within its ttl of ${formatDuration(settings.ttl ?? 0)}`
}

/** Creates the registrations. Calls `onDue` with each name that is due, and does nothing else with it. */
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
  /** The list to which registrations that cannot be read are added. */
  unreadable?: UnreadableEntries
}): Registrations {
  const registered = new Map<string, Registered>()
  /** The names of the expired registrations, the longest expired first. */
  const expired = new Set<string>()
  /** The registrations of the snapshot that are not in force yet. */
  let awaited = new Map<string, StoredRegistration>()
  const expiries = createExpiries({ clock, end: onDue, pauses })
  const foreign = createEmitter<ForeignWord>()
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

  /** Adds a registration here, but not to the registry. */
  function hold(entry: Registered, lifetime: Lifetime): void {
    registered.set(entry.registration.name, entry)
    awaited.delete(entry.registration.name)
    setLifetime(entry, lifetime)
  }

  /** Sets a lifetime. Returns whether that changed the registration to expired, or back. */
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

  /** Sets the lifetimes of registrations, and updates the registry for those that expired or came back. */
  function turn(entries: readonly Registered[], lifetimeOf: (entry: Registered) => Lifetime): void {
    const turned = entries.filter((entry) => setLifetime(entry, lifetimeOf(entry)))
    if (turned.length > 0) registry.register(turned.map(({ service }) => service))
  }

  function put(entry: Registered): void {
    unreadable.forgetRegistration(entry.registration.name)
    hold(entry, renewedLifetime(entry.settings, clock.now()))
    registry.register([entry.service])
  }

  function read(registration: StoredRegistration): Read {
    const where = `the registration of ${quote(registration.name)}`
    const parsed = readRegistration(registration.definition)
    if (typeof parsed === 'string') {
      unreadable.recordEntry('registrations', { place: where, why: parsed, registration: registration.name })
      return { registration, parsed: `${where} cannot be read: ${parsed}` }
    }
    for (const word of foreignWordsOf(parsed, where)) foreign.emit(word)
    return { registration, parsed }
  }

  function* readAll(registrations: Iterable<StoredRegistration>): Generator<Read> {
    for (const registration of registrations) yield read(registration)
  }

  const isHeld = (entry: Registered) => registered.get(entry.registration.name) === entry

  /** Returns the lifetime of a restored registration. Its time to live starts now, unless it is expired. */
  function keptLifetime(settings: RegistrationSettings, expiredAt: number | undefined): Lifetime {
    const now = clock.now()
    return expiredAt === undefined
      ? renewedLifetime(settings, now)
      : expiredLifetime(settings, clock.fromEpoch(expiredAt), now)
  }

  /**
   * Puts the readable registrations of a batch in force, except those that were registered or deregistered since the restore began. Returns a
   * sentence for each one that cannot be read.
   */
  function putAwaited(batch: readonly Read[]): string[] {
    const unread: string[] = []
    const services: Service[] = []
    for (const { registration, parsed } of batch) {
      if (awaited.get(registration.name) !== registration) continue
      awaited.delete(registration.name)
      if (typeof parsed === 'string') {
        unread.push(parsed)
        continue
      }
      const { expiredAt, ...plain } = registration
      const entry = build(plain, parsed.settings, parsed.unread)
      hold(entry, keptLifetime(parsed.settings, expiredAt))
      services.push(entry.service)
    }
    registry.register(services)
    return unread
  }

  /** Drains services, or ends their drains, in batches of one turn of the event loop. */
  function setDrained(names: readonly string[], drained: boolean): Promise<void> {
    const countTargets = (name: string) => registry.services.get(name)?.targets.length ?? 0
    return inTurns(names, countTargets, (batch) => registry.setDrained(batch, drained))
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
    // The store deleted the drain with the registration, but here the drained service is the file's.
    else if (wasDrained) void store.setDrained(name, true)
  }

  return {
    foreign,
    find: (name) => registered.get(name),
    build,
    put,
    adopt(registration) {
      const { parsed } = read(registration)
      if (typeof parsed === 'string') return parsed
      put(build(registration, parsed.settings, parsed.unread))
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
      // A registration that the store has but that cannot be read stays in its last known form.
      const isGone = (name: string) => !kept.has(name) && unreadable.whyRegistration(name) === null
      const gone = [...registered.values()].filter(({ registration }) => isGone(registration.name))
      unreadable.replace('registrations', [])
      const isKnown = ({ name, revision }: Registration) => registered.get(name)?.registration.revision === revision
      const known = new Map(registrations.filter(isKnown).map((one) => [one.name, one]))
      const others = registrations.filter((one) => !known.has(one.name))
      awaited = new Map(others.map((registration) => [registration.name, registration]))

      await inTurns(gone, targetsOf, (batch) => {
        for (const { registration } of batch.filter(isHeld)) forget(registration.name, 'deregistered')
      })
      const undrained = [...registry.drained].filter((name) => !keptDrained.has(name))
      await setDrained(undrained, false)
      const newlyDrained = drained.filter((name) => !registry.drained.has(name))
      await setDrained(newlyDrained, true)
      const unread: string[] = []
      await inTurns(readAll(others), targetsRead, (batch) => unread.push(...putAwaited(batch)))
      // No service could renew its registration while the store was away.
      const again = [...registered.values()].filter(({ registration }) => known.has(registration.name))
      await inTurns(again, targetsOf, (batch) => {
        turn(batch.filter(isHeld), ({ registration, settings, lifetime }) => {
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
      return inTurns([...registered.values()], targetsOf, (batch) => {
        // Skip the registrations that were deregistered since the first batch.
        const left = batch.filter(isHeld)
        for (const entry of left) entry.service = rebuilt(entry)
        registry.register(left.map(({ service }) => service))
      })
    },
    expireDue: expiries.runDue,
    close: expiries.close,
  }
}

/** Calls `act` with the items in batches, one batch in each turn of the event loop. */
async function inTurns<Item>(
  items: Iterable<Item>,
  targetsOf: (item: Item) => number,
  act: (batch: readonly Item[]) => void,
): Promise<void> {
  for (const batch of batchesOf(items, perTurn, targetsOf)) {
    act(batch)
    await setImmediate()
  }
}

function targetsOf({ settings }: Registered): number {
  return settings.targets.length
}

function targetsRead({ parsed }: Read): number {
  return typeof parsed === 'string' ? 0 : parsed.settings.targets.length
}
