import { Counter, Gauge, type Registry as Register } from 'prom-client'
import type { Clock } from '../clock.ts'
import { type Health, statusAt } from '../domain/health.ts'
import { type Reason, verdictOf } from '../domain/outcome.ts'
import type { Monitor } from '../monitor/monitor.ts'
import type { WatchedTarget } from '../monitor/watch.ts'

/** What the help of a gauge says that shows the last check. */
export const cached =
  'The last check said so, not one made for this scrape: porthole_target_last_check_timestamp_seconds tells when.'

/** Adds the series of targets. They are laid out anew for every scrape, so what is no longer registered leaves none. */
export function addTargetMetrics(
  { monitor, clock, prober }: { monitor: Monitor; clock: Clock; prober: 'kernel' | 'portable' },
  registers: Register[],
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
    collect: layOut,
  })
  const lastCheck = gauge('porthole_target_last_check_timestamp_seconds', 'When the last check of the target ended.')
  const connect = gauge(
    'porthole_target_connect_seconds',
    'Handshake time of the last check; absent when it got no answer.',
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
  const downReason = new Gauge({
    name: 'porthole_target_down_reason',
    help: "Always 1: why the target is not up, by its last check's reason.",
    labelNames: [...labelNames, 'reason'],
    registers,
  })
  const families = [up, lastCheck, connect, connectTotal, checks, failures, retransmits, downReason]

  function layOut(): void {
    for (const family of families) family.reset()
    const now = clock.now()
    for (const { targets } of monitor.services.values()) {
      for (const target of targets) layOutTarget(target, now)
    }
  }

  function layOutTarget(watched: WatchedTarget, now: number): void {
    const { service } = watched.watchedService
    const labels = { service: service.name, target: watched.target.name }
    const { status } = statusAt(watched.health, service.policy, now)
    const { lastOutcome } = watched.health
    up.set(labels, status === 'up' ? 1 : 0)
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
function reasonNotUp({ health, watchedService }: WatchedTarget, status: Health['status']): Reason | null {
  if (status === 'up' || health.lastOutcome === null) return null
  const isStale = status !== health.status
  // While it rises, the last outcome is good, and what it was down for still holds.
  if (!isStale) return verdictOf(health.lastOutcome.reason) === 'up' ? health.downReason : health.lastOutcome.reason
  // That nobody asked is nobody's fault.
  if (watchedService.service.policy.intervalMs === null) return null
  const { reason } = health.lastOutcome
  // What kept the checks from confirming anything; where they did, the schedule was not kept, and that is our own fault.
  return verdictOf(reason) === 'unknown' ? reason : 'local'
}
