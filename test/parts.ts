import type { AppParts } from '../src/app.ts'
import { type Clock, systemClock } from '../src/clock.ts'
import { type AccessSettings, createAccess } from '../src/http/access.ts'
import { createMetrics } from '../src/metrics/metrics.ts'
import { createMonitor } from '../src/monitor/monitor.ts'
import { createRegistry } from '../src/monitor/registry.ts'
import { createTransitionLog } from '../src/monitor/transition-log.ts'
import type { Prober } from '../src/prober/prober.ts'
import { createReadiness } from '../src/readiness.ts'

export type PartOptions = {
  readonly prober: Prober
  readonly clock?: Clock
  readonly access?: Partial<AccessSettings>
}

/** The parts of a Porthole without a schedule and without any service. */
export function createParts({ prober, clock = systemClock(), access = {} }: PartOptions): AppParts {
  const version = '0.0.0-test'
  const registry = createRegistry()
  const monitor = createMonitor({ registry, prober, clock, maxInFlight: 1000 })
  return {
    monitor,
    registry,
    log: createTransitionLog({ monitor, clock }),
    access: createAccess({ settings: { tokens: [], details: 'all', ...access }, clock }),
    readiness: createReadiness(monitor),
    metrics: createMetrics({ monitor, registry, clock, prober: prober.name, version }, { runtime: false }),
    clock,
    version,
  }
}
