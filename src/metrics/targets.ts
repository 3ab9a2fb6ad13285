import { Counter, Gauge, type Registry as Register } from 'prom-client'
import type { Clock } from '../clock.ts'
import { statusAt } from '../domain/health.ts'
import { type Reason, verdictOf } from '../domain/outcome.ts'
import { statusOf } from '../domain/quorum.ts'
import { countStatuses, type Status } from '../domain/status.ts'
import type { Monitor } from '../monitor/monitor.ts'
import type { Registry } from '../monitor/registry.ts'
import { standingOf, type WatchedTarget } from '../monitor/watch.ts'

const cached =
  'The last check said so, not one made for this scrape: porthole_target_last_check_timestamp_seconds tells when.'

/** Adds the series of services, groups and targets. They are laid out anew for every scrape, so what is no longer registered leaves none. */
export function addTargetMetrics(
  {
    monitor,
    registry,
    clock,
    prober,
  }: { monitor: Monitor; registry: Registry; clock: Clock; prober: 'kernel' | 'portable' },
  registers: Register[],
): void {
  const serviceLabels = ['service'] as const
  const targetLabels = ['service', 'target'] as const

  const gauge = <Label extends string>(name: string, help: string, labelNames: readonly Label[]) =>
    new Gauge<Label>({ name, help, labelNames, registers })
  const counter = (name: string, help: string) => new Counter({ name, help, labelNames: targetLabels, registers })

  const serviceUp = new Gauge({
    name: 'porthole_service_up',
    help: `Whether the service's quorum is met (degraded counts as 1; unknown does not). ${cached}`,
    labelNames: serviceLabels,
    registers,
    // The first family of the page lays out all of them, so that they show one moment.
    collect: layOut,
  })
  const serviceTargets = gauge('porthole_service_targets', 'How many targets the service has.', serviceLabels)
  const serviceTargetsUp = gauge(
    'porthole_service_targets_up',
    `How many of its targets are up. ${cached}`,
    serviceLabels,
  )
  const groupUp = gauge('porthole_group_up', `Whether the group's quorum is met (degraded counts as 1). ${cached}`, [
    'group',
  ])
  const targetUp = gauge('porthole_target_up', `Whether the target is up. ${cached}`, targetLabels)
  const lastCheck = gauge(
    'porthole_target_last_check_timestamp_seconds',
    'When the last check of the target ended.',
    targetLabels,
  )
  const connect = gauge(
    'porthole_target_connect_seconds',
    'Handshake time of the last check; absent when it got no answer.',
    targetLabels,
  )
  const connectTotal = counter(
    'porthole_target_connect_seconds_total',
    'Sum of the handshake times of all successful checks, so that nothing between two scrapes is lost.',
  )
  const checks = counter('porthole_target_checks_total', 'Checks of the target that came to their end.')
  const failures = counter(
    'porthole_target_failures_total',
    "Checks that found the target down; Porthole's own faults are not among them.",
  )
  const retransmits = counter(
    'porthole_target_syn_retransmits_total',
    'SYNs that had to be sent again, where the prober can see them.',
  )
  const downReason = gauge(
    'porthole_target_down_reason',
    "Always 1: why the target is not up, by its last check's reason.",
    [...targetLabels, 'reason'],
  )
  const families = [
    serviceTargets,
    serviceTargetsUp,
    groupUp,
    targetUp,
    lastCheck,
    connect,
    connectTotal,
    checks,
    failures,
    retransmits,
    downReason,
  ]

  function layOut(): void {
    serviceUp.reset()
    for (const family of families) family.reset()
    const now = clock.now()
    const groups = new Map<string, Status[]>()
    for (const watched of monitor.services.values()) {
      const { name: service, groups: memberOf } = watched.service
      const { status, counts } = standingOf(watched, now)
      serviceUp.set({ service }, isUp(status))
      serviceTargets.set({ service }, watched.targets.length)
      serviceTargetsUp.set({ service }, counts.up)
      for (const group of memberOf) {
        const statuses = groups.get(group)
        if (statuses === undefined) groups.set(group, [status])
        else statuses.push(status)
      }
      for (const target of watched.targets) layOutTarget(target, now)
    }
    for (const [group, statuses] of groups) {
      groupUp.set({ group }, isUp(statusOf(countStatuses(statuses), registry.groups.get(group)?.quorum ?? 'all')))
    }
  }

  function layOutTarget(watched: WatchedTarget, now: number): void {
    const { service } = watched.watchedService
    const labels = { service: service.name, target: watched.target.name }
    const { status } = statusAt(watched.health, service.policy, now)
    const { lastOutcome } = watched.health
    targetUp.set(labels, isUp(status))
    checks.inc(labels, watched.checks)
    failures.inc(labels, watched.failures)
    connectTotal.inc(labels, watched.connectMs / 1000)
    // Only the kernel prober sees SYNs.
    if (prober === 'kernel') retransmits.inc(labels, watched.synRetransmits)
    if (lastOutcome === null) return
    lastCheck.set(labels, clock.toEpoch(lastOutcome.endedAt) / 1000)
    if (lastOutcome.reason === 'connected' && lastOutcome.latencyMs !== null)
      connect.set(labels, lastOutcome.latencyMs / 1000)
    const reason = reasonNotUp(watched, status)
    if (reason !== null) downReason.set({ ...labels, reason }, 1)
  }
}

/** Null when the target is up, or nothing says why it is not. */
function reasonNotUp({ health, watchedService }: WatchedTarget, status: Status): Reason | null {
  if (status === 'up' || health.lastOutcome === null) return null
  const isStale = status !== health.status
  // While it rises, the last outcome is good, and what it was down for still holds.
  if (!isStale) return verdictOf(health.lastOutcome.reason) === 'up' ? health.downReason : health.lastOutcome.reason
  // That a schedule was not kept is our own fault; that nobody asked is nobody's.
  return watchedService.service.policy.intervalMs === null ? null : 'local'
}

function isUp(status: Status): 0 | 1 {
  return status === 'up' || status === 'degraded' ? 1 : 0
}
