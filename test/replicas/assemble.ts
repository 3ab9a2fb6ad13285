/** A replica in this process, with real parts and a real Redis. The test chooses its prober, and there is no HTTP. */
import type { TestContext } from 'node:test'
import { createConfigApplier } from '../../src/cli/config-applier.ts'
import { defaultLimits } from '../../src/domain/service/limits.ts'
import { handoverMs } from '../../src/domain/service/policy.ts'
import type { Service } from '../../src/domain/service/service.ts'
import type { DialRules } from '../../src/domain/target/dial-rules.ts'
import { createAddressTracking } from '../../src/monitor/discovery/address-tracking.ts'
import { createMonitor } from '../../src/monitor/monitor.ts'
import { createRegistry } from '../../src/monitor/registry/registry.ts'
import { createScheduler } from '../../src/monitor/scheduling/scheduler.ts'
import { createTransitionLog } from '../../src/monitor/transitions/transition-log.ts'
import type { Resolver } from '../../src/prober/lookup/resolver.ts'
import type { Prober } from '../../src/prober/prober.ts'
import { createRegistrar } from '../../src/registrar/registrar.ts'
import { openReplicaBackend } from '../../src/replicas/replica-backend.ts'
import type { ReplicaNews } from '../../src/replicas/replica-status.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { createUnreadableEntries } from '../../src/store/unreadable.ts'
import { sampleOutcome } from '../support/samples.ts'

const retention = { maxCount: 1000, maxAgeMs: 3_600_000 }

/** A prober for which every target is up at once. */
export function allUp(): Prober {
  const clock = systemClock()
  return {
    name: 'portable',
    check: (_request, ended) => queueMicrotask(() => ended(sampleOutcome('connected', clock.now()))),
    restarts: () => 0,
    close: async () => {},
  }
}

export type Assembled = Awaited<ReturnType<typeof assemble>>

/** Starts a replica that has joined the others. The replica leaves them after the test. */
export async function assemble(
  t: TestContext,
  {
    url,
    services,
    prober = allUp(),
    resolver,
    namespace = 'default',
    dialRules,
  }: {
    url: string
    services: readonly Service[]
    prober?: Prober
    resolver?: Resolver
    namespace?: string
    dialRules?: DialRules
  },
) {
  const replicaBackend = openReplicaBackend({ url, passwordFile: null, namespace }, { retention, clock: systemClock() })
  const { clock, shardOwnership, alone } = replicaBackend
  const registry = createRegistry()
  const monitor = createMonitor({
    registry,
    prober,
    clock,
    maxInFlight: 1000,
    ownership: shardOwnership,
    ...(dialRules === undefined ? {} : { dialRules: () => dialRules }),
  })
  const scheduler = createScheduler({ monitor, clock, ownership: shardOwnership })
  const members =
    resolver === undefined
      ? null
      : createAddressTracking({ monitor, registry, resolver, clock, ownership: shardOwnership })
  const log = createTransitionLog({ monitor, clock, ...retention, source: alone })
  const unreadable = createUnreadableEntries()
  const registrar = createRegistrar({
    registry,
    store: replicaBackend.store,
    clock,
    limits: defaultLimits,
    isShared: true,
    unreadable,
  })
  const replica = replicaBackend.create({
    monitor,
    scheduler,
    log,
    registry,
    registrations: registrar.registrations,
    unreadable,
    apply: createConfigApplier({ registry, registrations: registrar.registrations, onDone: () => {} }).put,
  })
  const news: ReplicaNews[] = []
  replica.news.subscribe((one) => news.push(one))
  const stop = async () => {
    scheduler.stop()
    members?.stop()
    registrar.registrations.close()
    await replica.close()
  }
  t.after(stop)
  await replica.offer({ services, groups: [], defaults: { handoverMs } })
  await replica.start()
  scheduler.start()
  members?.start()
  return { ...replicaBackend, monitor, registry, registrar, log, replica, news, unreadable, stop }
}
