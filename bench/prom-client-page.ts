// Renders the series of services, groups and targets with prom-client, laid out again for every scrape. Porthole's own page is measured against
// this page (scrape.ts) and must equal it (test/metrics/exposition.test.ts).
import { Counter, Gauge, type Registry as Register } from 'prom-client'
import { reasonNotUp } from '../src/domain/check/down-reason.ts'
import { effectiveStatus } from '../src/domain/health/health.ts'
import { countStatuses, type Status } from '../src/domain/health/status.ts'
import { statusOf } from '../src/domain/service/quorum.ts'
import { nanosecondsOf } from '../src/metrics/nanoseconds.ts'
import type { Monitor } from '../src/monitor/monitor.ts'
import type { Registry } from '../src/monitor/registry/registry.ts'
import { currentStatusOf, type ServiceState, type TargetState } from '../src/monitor/state/state.ts'
import type { Clock } from '../src/runtime/clock.ts'

/** The help text of a gauge that shows the last check. */
const cached =
  'Shows the last check, because a scrape makes none: porthole_target_last_check_timestamp_seconds tells when it ended.'

/** Sets all series again. The bench times this call. */
type Carry = (layOut: () => void) => void
const renderDirectly: Carry = (layOut) => layOut()

/** Adds the series of targets. They are laid out again for every scrape, so that a removed target has no series. */
export function addTargetMetrics(
  { monitor, clock, prober }: { monitor: Monitor; clock: Clock; prober: 'kernel' | 'portable' },
  registers: Register[],
  carry = renderDirectly,
): void {
  const labelNames = ['service', 'target'] as const
  const gauge = (name: string, help: string) => new Gauge({ name, help, labelNames, registers })
  const counter = (name: string, help: string) => new Counter({ name, help, labelNames, registers })

  const up = new Gauge({
    name: 'porthole_target_up',
    help: `Whether the target is up. ${cached}`,
    labelNames,
    registers,
    // The first family lays out all of them, so that they show one moment.
    collect: () => carry(layOut),
  })
  const lastCheck = gauge('porthole_target_last_check_timestamp_seconds', 'When the last check of the target ended.')
  const connect = gauge(
    'porthole_target_connect_seconds',
    'Handshake time of the last check; absent when it did not connect.',
  )
  const connectTotal = counter(
    'porthole_target_connect_seconds_total',
    'Sum of the handshake times of all checks that connected, also of those between two scrapes.',
  )
  const checks = counter('porthole_target_checks_total', 'Checks of the target that ended.')
  const failures = counter(
    'porthole_target_failures_total',
    "Checks of the target with the verdict down; Porthole's own faults do not count.",
  )
  const retransmits = counter(
    'porthole_target_syn_retransmits_total',
    'SYNs that were sent again, where the prober can see them.',
  )
  const downReason = new Gauge({
    name: 'porthole_target_down_reason',
    help: "Always 1: why the target is not up, by its last check's reason.",
    labelNames: [...labelNames, 'reason'],
    registers,
  })
  const lookupFailing = gauge(
    'porthole_target_lookup_failing',
    "Always 1: the look-up of the target's name fails, and succeeded before.",
  )
  const lookupTotal = counter(
    'porthole_target_lookup_seconds_total',
    "Total time that checks waited for look-ups of the target's name; absent for a literal address.",
  )
  const failed = [failures, retransmits, downReason, lookupFailing, lookupTotal]
  const families = [up, lastCheck, connect, connectTotal, checks, ...failed]

  function layOut(): void {
    for (const family of families) family.reset()
    const now = clock.now()
    for (const { targets } of monitor.services.values()) {
      for (const target of targets) layOutTarget(target, now)
    }
  }

  function layOutTarget(state: TargetState, now: number): void {
    const { service } = state.serviceState
    const labels = { service: service.name, target: state.target.name }
    const { status } = effectiveStatus(state.health, service.policy, now)
    const { lastOutcome } = state.health
    up.set(labels, status === 'up' ? 1 : 0)
    checks.inc(labels, state.checks)
    failures.inc(labels, state.failures)
    connectTotal.inc(labels, nanosecondsOf(state.connectMs) / 1e9)
    // Only the kernel prober sees SYNs.
    if (prober === 'kernel') retransmits.inc(labels, state.synRetransmits)
    if (state.lookupTotalMs > 0) lookupTotal.inc(labels, nanosecondsOf(state.lookupTotalMs) / 1e9)
    if (lastOutcome === null) return
    if (lastOutcome.lookupFailedSince !== null) lookupFailing.set(labels, 1)
    lastCheck.set(labels, Math.round(clock.toEpoch(lastOutcome.endedAt)) / 1000)
    if (lastOutcome.reason === 'connected' && lastOutcome.latencyMs !== null)
      connect.set(labels, nanosecondsOf(lastOutcome.latencyMs) / 1e9)
    const reason = reasonNotUp(state.health, service.policy, status)
    if (reason !== null) downReason.set({ ...labels, reason }, 1)
  }
}

/** Adds the series of services and groups. They are laid out again for every scrape, so that a removed service has no series. */
export function addServiceMetrics(
  { monitor, registry, clock }: { monitor: Monitor; registry: Registry; clock: Clock },
  registers: Register[],
  carry = renderDirectly,
): void {
  const gauge = (name: string, help: string) => new Gauge({ name, help, labelNames: ['service'], registers })

  const up = new Gauge({
    name: 'porthole_service_up',
    help: `Whether the service's quorum is met: 1 while up or degraded, 0 while down or unknown. ${cached}`,
    labelNames: ['service'],
    registers,
    // The first family lays out all of them, so that they show one moment.
    collect: () => carry(layOut),
  })
  const targets = gauge('porthole_service_targets', 'How many targets the service has.')
  const targetsUp = gauge('porthole_service_targets_up', `How many of the service's targets are up. ${cached}`)
  const draining = gauge(
    'porthole_service_draining',
    'Always 1: the service is drained, that is, taken out of service by its operator. Its other series still show its targets.',
  )
  const expired = gauge(
    'porthole_service_expired',
    'Always 1: the registration of the service was not renewed within its ttl, so the service is down. Its series of targets still show the checks.',
  )
  const groupUp = new Gauge({
    name: 'porthole_group_up',
    help: `Whether the group's quorum is met; degraded counts as 1. Drained services are left out. 0 while all are drained, or while services may be missing. ${cached}`,
    labelNames: ['group'],
    registers,
  })

  function layOut(): void {
    for (const family of [up, targets, targetsUp, draining, expired, groupUp]) family.reset()
    const now = clock.now()
    /** The statuses of the targets that count. */
    const groups = new Map<string, Status[]>()
    for (const state of monitor.services.values()) {
      const status = layOutService(state, now)
      for (const group of state.service.groups) {
        const statuses = groups.get(group) ?? []
        groups.set(group, statuses)
        if (!state.drained) statuses.push(status)
      }
    }
    for (const [group, statuses] of groups) {
      groupUp.set({ group }, isUp(statusOf(countStatuses(statuses), registry.groups.get(group)?.quorum ?? 'all')))
    }
  }

  function layOutService(state: ServiceState, now: number): Status {
    const service = state.service.name
    const { status, counts } = currentStatusOf(state, now)
    up.set({ service }, isUp(status))
    targets.set({ service }, state.targets.length)
    targetsUp.set({ service }, counts.up)
    if (state.drained) draining.set({ service }, 1)
    if (state.service.expiredTtlMs !== null) expired.set({ service }, 1)
    return status
  }
}

function isUp(status: Status): 0 | 1 {
  return status === 'up' || status === 'degraded' ? 1 : 0
}
