import type { AppParts } from '../../src/app.ts'
import { defaultLimits, type Limits } from '../../src/domain/service/limits.ts'
import { createDialRules } from '../../src/domain/target/dial-rules.ts'
import type { DialSettings } from '../../src/domain/target/dial-settings.ts'
import { createLongAnswers, type LongAnswers } from '../../src/http/answers/long-answers.ts'
import { createConnections } from '../../src/http/connections/connections.ts'
import { createEventStreams, mostStreams } from '../../src/http/events/streams.ts'
import { createReadiness } from '../../src/http/readiness.ts'
import { type AccessSettings, createAccess } from '../../src/http/requests/access.ts'
import { createMetrics } from '../../src/metrics/metrics.ts'
import type { ReplicaView } from '../../src/metrics/replicas.ts'
import type { SelfMetricsParts } from '../../src/metrics/self-metrics.ts'
import type { SilentGateways } from '../../src/monitor/discovery/gateways.ts'
import { createEmitter } from '../../src/monitor/emitter.ts'
import { createMonitor } from '../../src/monitor/monitor.ts'
import { createRegistry } from '../../src/monitor/registry/registry.ts'
import type { RegistryLoad } from '../../src/monitor/registry/registry-load.ts'
import { createHistory } from '../../src/monitor/state/history.ts'
import { createTransitionLog } from '../../src/monitor/transitions/transition-log.ts'
import type { Prober } from '../../src/prober/prober.ts'
import { createRegistrar } from '../../src/registrar/registrar.ts'
import type { ReplicaStatus } from '../../src/replicas/replica-status.ts'
import { type Clock, systemClock } from '../../src/runtime/clock.ts'
import { createTimeSlices, type TimeSlices } from '../../src/runtime/time-slices.ts'
import { createMemoryStore } from '../../src/store/memory.ts'

export type PartOptions = {
  readonly prober: Prober
  readonly clock?: Clock
  readonly access?: Partial<AccessSettings>
  readonly retryingStore?: SelfMetricsParts['retryingStore']
  readonly replica?: ReplicaView
  readonly gateways?: Pick<SilentGateways, 'counts'>
  readonly limits?: Partial<Limits>
  /** The load of the registry; by default there is nothing to load. */
  readonly load?: RegistryLoad
  /** The host names that clients may use; null or absent: any. */
  readonly hosts?: readonly string[] | null
  /** The most open HTTP connections. */
  readonly maxConnections?: number
  /** The dial rules; by default loopback may be dialled, because tests listen there. */
  readonly dial?: DialSettings
  readonly slices?: TimeSlices
  readonly answers?: LongAnswers
}

/** Creates the parts of a Porthole without a schedule and without any service. */
export function createParts(options: PartOptions): AppParts {
  const { prober, clock = systemClock(), access = {}, retryingStore = null, replica = null } = options
  const { gateways = { counts: () => new Map() }, slices = createTimeSlices() } = options
  const { answers = createLongAnswers({ slices }) } = options
  const version = '0.0.0-test'
  const registry = createRegistry(options.load)
  const limits = { ...defaultLimits, ...options.limits }
  const rules = createDialRules(options.dial ?? { loopback: true })
  const dialRules = () => rules
  const monitor = createMonitor({ registry, prober, clock, maxInFlight: 1000, dialRules, slices })
  const log = createTransitionLog({ monitor, clock })
  const connections = createConnections({ max: options.maxConnections ?? 1000, clock })
  const streams = createEventStreams({ log, registry, clock, slices, maxStreams: mostStreams(connections.max) })
  return {
    monitor,
    registry,
    log,
    history: createHistory({ monitor }),
    streams,
    connections,
    answers,
    registrar: createRegistrar({
      registry,
      store: createMemoryStore({ maxCount: 1000, maxAgeMs: 3_600_000 }),
      clock,
      limits,
    }),
    limits,
    hosts: options.hosts ?? null,
    placeOf: () => null,
    dialRules,
    access: createAccess({ settings: { tokens: [], details: 'all', ...access }, clock }),
    readiness: createReadiness(monitor),
    metrics: createMetrics(
      {
        monitor,
        registry,
        clock,
        retryingStore,
        replica,
        streams,
        connections,
        prober: prober.name,
        version,
        gateways,
        slices,
        answers,
      },
      { runtime: false },
    ),
    clock,
    slices,
    version,
  }
}

/** A replica that shares the work with another one, and that had one result refused. */
export function sampleReplica(replicaStatus: Partial<ReplicaStatus> = {}): ReplicaView {
  const linked: ReplicaStatus = {
    id: 'a',
    mode: 'linked',
    failure: null,
    members: ['a', 'b'],
    shards: 128,
    stalled: null,
  }
  return {
    replicaStatus: () => ({ ...linked, ...replicaStatus }),
    renewed: createEmitter(),
    healthReplication: { refused: () => ({ fenced: 1, conflict: 0 }) },
  }
}
