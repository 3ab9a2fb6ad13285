import type { AppParts } from '../src/app.ts'
import { type Clock, systemClock } from '../src/clock.ts'
import { createDialRules, type DialSettings } from '../src/domain/dial-rules.ts'
import { defaultLimits, type Limits } from '../src/domain/limits.ts'
import { type AccessSettings, createAccess } from '../src/http/access.ts'
import { createEventStreams } from '../src/http/event-streams.ts'
import { createMetrics } from '../src/metrics/metrics.ts'
import type { OwnParts } from '../src/metrics/own.ts'
import { createMonitor } from '../src/monitor/monitor.ts'
import { createRegistry } from '../src/monitor/registry.ts'
import { createTransitionLog } from '../src/monitor/transition-log.ts'
import type { Prober } from '../src/prober/prober.ts'
import { createReadiness } from '../src/readiness.ts'
import { createRegistrar } from '../src/registrar.ts'
import { createMemoryStore } from '../src/store/memory.ts'

export type PartOptions = {
  readonly prober: Prober
  readonly clock?: Clock
  readonly access?: Partial<AccessSettings>
  readonly keeper?: OwnParts['keeper']
  readonly limits?: Partial<Limits>
  /** Tests listen on loopback: without any it may be dialled. */
  readonly dial?: DialSettings
}

/** The parts of a Porthole without a schedule and without any service. */
export function createParts(options: PartOptions): AppParts {
  const { prober, clock = systemClock(), access = {}, keeper = null } = options
  const version = '0.0.0-test'
  const registry = createRegistry()
  const limits = { ...defaultLimits, ...options.limits }
  const rules = createDialRules(options.dial ?? { loopback: true })
  const dialRules = () => rules
  const monitor = createMonitor({ registry, prober, clock, maxInFlight: 1000, dialRules })
  const log = createTransitionLog({ monitor, clock })
  const streams = createEventStreams({ log, registry, clock })
  return {
    monitor,
    registry,
    log,
    streams,
    registrar: createRegistrar({
      registry,
      store: createMemoryStore({ maxCount: 1000, maxAgeMs: 3_600_000 }),
      clock,
      limits,
    }),
    limits,
    placeOf: () => null,
    dialRules,
    access: createAccess({ settings: { tokens: [], details: 'all', ...access }, clock }),
    readiness: createReadiness(monitor),
    metrics: createMetrics(
      { monitor, registry, clock, keeper, streams, prober: prober.name, version },
      { runtime: false },
    ),
    clock,
    version,
  }
}
