import { nextScheduled, phaseOf } from '../../domain/check/schedule.ts'
import type { Policy } from '../../domain/service/policy.ts'
import { type Addresses, boundAddresses, namesOf } from '../../domain/target/addresses.ts'
import type { Target } from '../../domain/target/target.ts'
import type { Resolver } from '../../prober/lookup/resolver.ts'
import type { Clock } from '../../runtime/clock.ts'
import { createEmitter, type Emitter } from '../emitter.ts'
import type { Monitor } from '../monitor.ts'
import { type Ownership, ownAll } from '../ownership.ts'
import type { Registry } from '../registry/registry.ts'
import { createDueQueue } from '../scheduling/due-queue.ts'
import { createSlots } from '../state/slots.ts'
import type { ServiceState } from '../state/state.ts'
import { failingSinceOf } from './failing-lookup.ts'
import { nextResolvedName, type ResolvedName, unresolvedName } from './resolved-name.ts'

/** The shortest time between look-ups of a name, in milliseconds. No operator publishes addresses that live shorter. */
const leastPeriodMs = 10_000
/** The first look-ups are spread over this time, in milliseconds. */
const firstLookUpsMs = 1000
const tickMs = 100

/** The targets that joined or left a service because the addresses of its names changed. */
export type AddressesChange = {
  readonly service: string
  readonly joined: readonly string[]
  readonly left: readonly string[]
  /** How many addresses were found beyond the limit. */
  readonly leftOut: number
}

/** A name whose addresses can no longer be looked up, or can be again. Until they can, the last known addresses stay. */
export type LookUpChange = {
  readonly service: string
  /** The name as configured, `host:port`. */
  readonly target: string
  /** The resolver's error, such as `EAI_AGAIN`, or `timeout`; null once look-ups work again. */
  readonly failure: string | null
}

/** Address tracking: looks up the names of owned services with `resolve: all`, and makes each address a target. */
export type AddressTracking = {
  readonly changed: Emitter<AddressesChange>
  readonly lookUps: Emitter<LookUpChange>
  start(): void
  stop(): void
  /** Starts the look-ups that are due. Returns when to call again; null when none is planned. */
  lookUpDue(): number | null
}

const noResolvedNames: ReadonlyMap<string, ResolvedName> = new Map()

/** The names of one service, looked up together. */
type Names = {
  readonly slot: number
  readonly serviceState: ServiceState
  found: ReadonlyMap<string, ResolvedName>
  leftOut: number
  /** True while a look-up is under way, or while its new addresses are checked. */
  busy: boolean
}

/** Creates the address tracking. The limit of addresses is for all names of one service together. The caller closes the resolver. */
export function createAddressTracking({
  monitor,
  registry,
  resolver,
  clock,
  maxAddresses = 100,
  ownership = ownAll(),
}: {
  monitor: Monitor
  registry: Registry
  resolver: Resolver
  clock: Clock
  maxAddresses?: number
  ownership?: Ownership
}): AddressTracking {
  const changed = createEmitter<AddressesChange>()
  const lookUps = createEmitter<LookUpChange>()
  const dueQueue = createDueQueue(tickMs)
  const slots = createSlots()
  const inSlot = new Map<number, Names>()
  const ofService = new Map<string, Names>()
  let timer: NodeJS.Timeout | undefined
  let running = false

  /** Plans an early look-up of the names of a service that is new or changed. */
  function trackService(name: string): void {
    const serviceState = monitor.services.get(name)
    const known = ofService.get(name)
    if (known !== undefined && known.serviceState !== serviceState) forget(known)
    if (serviceState === undefined || !looksUp(serviceState)) return
    const names = ofService.get(name) ?? createNames(slots.allocate(), serviceState)
    ofService.set(name, names)
    inSlot.set(names.slot, names)
    // The end of a look-up that is under way notices that the definition changed.
    if (!names.busy)
      dueQueue.put(names.slot, Math.min(dueQueue.dueAt(names.slot), clock.now() + phaseOf(name) * firstLookUpsMs))
  }

  function forget(names: Names): void {
    dueQueue.remove(names.slot)
    slots.release(names.slot)
    inSlot.delete(names.slot)
    ofService.delete(names.serviceState.service.name)
  }

  async function lookUp(names: Names): Promise<void> {
    names.busy = true
    const { service } = names.serviceState
    const before = names.found
    const isOwned = ownership.owns(service.name)
    // The owner looks the names up for all replicas. The next owner continues with the addresses that were found.
    names.found = isOwned ? await resolve(names) : noResolvedNames
    if (ofService.get(service.name) === names)
      names.serviceState.failingLookUps = isOwned ? failingIn(names.found) : null
    if (ofService.get(service.name) === names && isOwned) {
      emitFailures(names, before)
      await applyResolvedNames(names)
    }
    if (ofService.get(service.name) !== names) return
    names.busy = false
    const now = clock.now()
    dueQueue.put(
      names.slot,
      names.serviceState.service === service ? scheduledAfter(now, service.name, service.policy) : now,
    )
    wake()
  }

  async function resolve({ serviceState, found }: Names): Promise<ReadonlyMap<string, ResolvedName>> {
    const { service } = serviceState
    const { policy } = service
    const startedAt = clock.now()
    const deadline = startedAt + policy.timeoutMs
    const lookUpName = async (target: Target): Promise<[string, ResolvedName]> => {
      // Do not take the result of the previous look-up, which the resolver may still cache.
      const resolution = await resolver.resolve(target.host, deadline, leastPeriodMs / 2)
      const known = found.get(target.name) ?? resolvedBefore(serviceState, target.name)
      return [target.name, nextResolvedName(known, { startedAt, resolution }, policy, maxAddresses)]
    }
    return new Map(await Promise.all(namesOf(service).map(lookUpName)))
  }

  function emitFailures({ serviceState, found }: Names, before: ReadonlyMap<string, ResolvedName>): void {
    for (const [target, { failure }] of found) {
      const failed = before.get(target)?.failure ?? null
      if ((failure === null) !== (failed === null)) {
        lookUps.emit({ service: serviceState.service.name, target, failure })
      }
    }
  }

  async function applyResolvedNames(names: Names): Promise<void> {
    const { serviceState, found } = names
    const all: Addresses = new Map([...found].map(([name, { ips }]) => [name, ips]))
    const { taken, leftOut } = boundAddresses(all, maxAddresses)
    const { joined, left } = await monitor.applyAddresses(serviceState, taken)
    const isNews = joined.length + left.length > 0 || leftOut !== names.leftOut
    names.leftOut = leftOut
    const list = (state: typeof joined) => state.map(({ target }) => target.name)
    if (isNews) {
      changed.emit({ service: serviceState.service.name, joined: list(joined), left: list(left), leftOut })
    }
  }

  /** Returns when the next look-up is due. A hash of the service's name spreads look-ups, so that they do not all begin at once. */
  function scheduledAfter(instant: number, name: string, { intervalMs }: Policy): number {
    const epochMs = clock.toEpoch(instant)
    return instant + nextScheduled(epochMs, phaseOf(name), Math.max(intervalMs ?? 0, leastPeriodMs)) - epochMs
  }

  function lookUpDue(): number | null {
    const now = clock.now()
    for (let due = dueQueue.take(now); due !== null; due = dueQueue.take(now)) {
      for (const slot of due) {
        const names = inSlot.get(slot)
        if (names === undefined) continue
        if (!looksUp(names.serviceState)) forget(names)
        else void lookUp(names)
      }
    }
    return dueQueue.nextAt()
  }

  function wake(): void {
    if (running) arm(dueQueue.nextAt())
  }

  function arm(at: number | null): void {
    clearTimeout(timer)
    if (at !== null) timer = setTimeout(() => arm(lookUpDue()), Math.max(0, Math.ceil(at - clock.now())))
  }

  ownership.gained.subscribe((names) => {
    for (const name of names) trackService(name)
    wake()
  })
  registry.changed.subscribe(({ put, removed }) => {
    for (const name of removed) trackService(name)
    for (const { name } of put) trackService(name)
    wake()
  })
  for (const name of monitor.services.keys()) trackService(name)

  return {
    changed,
    lookUps,
    start() {
      running = true
      wake()
    },
    stop() {
      running = false
      clearTimeout(timer)
      // Closing the resolver aborts the look-ups under way, which says nothing about the names.
      for (const names of ofService.values()) forget(names)
    },
    lookUpDue,
  }
}

/** Returns whether this process looks up names of a service. Another replica does so for a service that this version cannot read. */
function looksUp({ service }: ServiceState): boolean {
  return namesOf(service).length > 0 && service.policy.unread.length === 0
}

/** Returns the state of a name that another replica looked up before. The hold of addresses that answers left out begins again. */
function resolvedBefore(serviceState: ServiceState, name: string): ResolvedName {
  const ips = serviceState.addresses.get(name) ?? []
  return { ...unresolvedName, ips, failingSince: failingSinceOf(serviceState, name) }
}

/** Returns the names whose look-ups fail, each with the instant since when; null if none fails. */
function failingIn(found: ReadonlyMap<string, ResolvedName>): ReadonlyMap<string, number> {
  const failing = [...found].flatMap(([name, { failingSince }]): [string, number][] =>
    failingSince === null ? [] : [[name, failingSince]],
  )
  return failing.length === 0 ? noneFailing : new Map(failing)
}

const noneFailing: ReadonlyMap<string, number> = new Map()

function createNames(slot: number, serviceState: ServiceState): Names {
  return {
    slot,
    serviceState,
    found: noResolvedNames,
    leftOut: 0,
    busy: false,
  }
}
