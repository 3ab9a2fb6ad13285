import { setTimeout as sleep } from 'node:timers/promises'
import { Counter, collectDefaultMetrics, Gauge, Registry as Register } from 'prom-client'
import { type Reason, reasons } from '../domain/check/outcome.ts'
import type { MetricFamily } from '../domain/values/metric-family.ts'
import type { SilentGateways } from '../monitor/discovery/gateways.ts'
import type { Monitor } from '../monitor/monitor.ts'
import type { Registry } from '../monitor/registry/registry.ts'
import type { Clock } from '../runtime/clock.ts'
import type { TimeSlice, TimeSlices } from '../runtime/time-slices.ts'
import { createExposition } from './exposition.ts'
import { createGatewayMetrics } from './gateways.ts'
import { addHistogram } from './histogram.ts'
import { addReplicaMetrics, type ReplicaView } from './replicas.ts'
import { addRequestDurations, type ObserveRequest } from './requests.ts'
import { createSelection, type SelectionQuery } from './selection.ts'
import { addSelfMetrics, type SelfMetricsParts } from './self-metrics.ts'

/** Porthole's metrics: a view of the monitor, which decides nothing. */
export type Metrics = {
  readonly contentType: string
  /**
   * Yields the metrics page in chunks that end with a line. A chunk is valid until the next one is requested, because both share one
   * buffer. Without `targets` no series is about a single target. With a `selection` there are no series of Porthole itself. `slice` is
   * the time slice of the request.
   */
  render(options?: { targets?: boolean; selection?: SelectionQuery; slice?: TimeSlice }): AsyncGenerator<Buffer>
  /** Returns how many bytes the last page of all services held while it was rendered; 0 before the first one. */
  heldBytes(): number
  readonly observeRequest: ObserveRequest
  /** Records that a reload of the configuration succeeded or failed. `epochMs` is the time in milliseconds since the epoch. */
  configReloaded(successful: boolean, epochMs: number): void
}

/** Creates the metrics. `runtime` adds prom-client's metrics of the Node.js process; a process should add them once. */
export function createMetrics(
  parts: SelfMetricsParts & {
    monitor: Monitor
    registry: Registry
    clock: Clock
    prober: 'kernel' | 'portable'
    version: string
    gateways?: Pick<SilentGateways, 'counts'>
    /** Null where this Porthole has no other replicas. */
    replica?: ReplicaView | null
    /** Families of services and targets that are left out. */
    omit?: readonly MetricFamily[]
    slices?: TimeSlices
  },
  { runtime = true } = {},
): Metrics {
  const register = new Register()
  const registers = [register]
  const { monitor } = parts

  new Gauge({
    name: 'porthole_build_info',
    help: 'Always 1; the labels are the version of Porthole, the version of Node.js, and the prober.',
    labelNames: ['version', 'node', 'prober'],
    registers,
  }).set({ version: parts.version, node: process.version, prober: parts.prober }, 1)
  const reloaded = new Gauge({
    name: 'porthole_config_last_reload_successful',
    help: 'Whether the last reload of the configuration succeeded; while 0, the previous configuration is in force.',
    registers,
  })
  const reloadedAt = new Gauge({
    name: 'porthole_config_last_reload_success_timestamp_seconds',
    help: 'When the configuration in force was read.',
    registers,
  })

  const exposition = createExposition(parts)

  const counts = new Map<Reason, number>(reasons.map((reason) => [reason, 0]))
  const checks: Counter = new Counter({
    name: 'porthole_checks_total',
    help: 'Checks that ended, by reason.',
    labelNames: ['reason'],
    registers,
    collect: () => {
      checks.reset()
      for (const [reason, count] of counts) checks.inc({ reason }, count)
    },
  })
  const icmpErrors = new Counter({
    name: 'porthole_icmp_errors_total',
    help: 'ICMP errors that answered checks, where the prober can see them.',
    labelNames: ['version', 'type', 'code'],
    registers,
  })
  const lateness = addHistogram(register, {
    name: 'porthole_check_lateness_seconds',
    help: 'How late scheduled checks began. It grows when more checks are due than this machine can make.',
    bounds: [0.005, 0.01, 0.025, 0.05, 0.06, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  })
  const ofAll = lateness.series()
  // The listener runs for every check, so it only counts. A scrape makes series of the counts.
  monitor.checked.subscribe(({ outcome, lateMs }) => {
    counts.set(outcome.reason, (counts.get(outcome.reason) ?? 0) + 1)
    if (lateMs !== null) lateness.observe(ofAll, lateMs / 1000)
    if (outcome.icmp === null) return
    const { version, type, code } = outcome.icmp
    icmpErrors.inc({ version, type, code })
  })
  const reading = (name: string, help: string, read: () => number) => {
    const gauge: Gauge = new Gauge({ name, help, registers, collect: () => gauge.set(read()) })
  }
  const restarted: Counter = new Counter({
    name: 'porthole_prober_restarts_total',
    help: 'How often the prober died and was restarted; its checks under way ended with the reason local.',
    registers,
    collect: () => {
      restarted.reset()
      restarted.inc(monitor.stats().proberRestarts)
    },
  })
  reading('porthole_checks_in_flight', 'Checks under way.', () => monitor.stats().inFlight)
  reading(
    'porthole_checks_waiting',
    'Checks that are due and wait, because the maximum number of checks is under way.',
    () => monitor.stats().waiting,
  )
  const skipped: Counter = new Counter({
    name: 'porthole_skipped_checks_total',
    help: "Scheduled checks left out because the target's previous check was still under way.",
    registers,
    collect: () => {
      skipped.reset()
      skipped.inc(monitor.stats().skippedChecks)
    },
  })
  addSelfMetrics(parts, register)
  const gateways = createGatewayMetrics(parts.gateways ?? { counts: () => new Map() })
  if (parts.replica) addReplicaMetrics(parts.replica, register)
  const observeRequest = addRequestDurations(register)
  let measuring: Promise<void> | null = runtime ? null : Promise.resolve()

  return {
    contentType: register.contentType,
    async *render({ targets = true, selection: query = {}, slice } = {}) {
      const selection = createSelection(query)
      if (selection === null) {
        // Start only here, because the timer of these metrics would wake a process that no Prometheus scrapes.
        measuring ??= startRuntimeMetrics(register)
        await measuring
        yield Buffer.from(await register.metrics())
      }
      if (selection === null && targets) yield Buffer.from(await gateways.metrics())
      yield* exposition.renderChunks({ targets, selection, ...(slice === undefined ? {} : { slice }) })
    },
    heldBytes: exposition.heldBytes,
    observeRequest,
    configReloaded(successful, epochMs) {
      reloaded.set(successful ? 1 : 0)
      if (successful) reloadedAt.set(epochMs / 1000)
    },
  }
}

/** The period of the timer that measures the delay of the event loop, in milliseconds. A short period wakes an idle process often. */
const lagTimerMs = 50

/**
 * Adds prom-client's default metrics, and waits until they have values. Leaves out three gauges whose names end in `_total` like a counter's, because
 * promtool rejects them.
 */
async function startRuntimeMetrics(register: Register): Promise<void> {
  collectDefaultMetrics({ register, eventLoopMonitoringPrecision: lagTimerMs })
  for (const what of ['min', 'max', 'mean', 'p50', 'p90', 'p99']) {
    const metric = register.getSingleMetric(`nodejs_eventloop_lag_${what}_seconds`) as unknown as { help: string }
    // Node.js records how long the timer took, which includes its period, and not how late it was.
    metric.help += ` Includes the period of the timer that measures it, ${lagTimerMs / 1000} s, which is no delay.`
  }
  for (const what of ['handles', 'requests', 'resources']) register.removeSingleMetric(`nodejs_active_${what}_total`)
  // The delay of the event loop has no value before the timer fired.
  await sleep(3 * lagTimerMs)
}
