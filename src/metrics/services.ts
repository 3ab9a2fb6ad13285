import { Gauge, type Registry as Register } from 'prom-client'
import type { Clock } from '../clock.ts'
import { statusOf } from '../domain/quorum.ts'
import { countStatuses, type Status } from '../domain/status.ts'
import type { Monitor } from '../monitor/monitor.ts'
import type { Registry } from '../monitor/registry.ts'
import { standingOf, type WatchedService } from '../monitor/watch.ts'
import { cached } from './targets.ts'

/** Adds the series of services and groups. They are laid out anew for every scrape, so what is no longer registered leaves none. */
export function addServiceMetrics(
  { monitor, registry, clock }: { monitor: Monitor; registry: Registry; clock: Clock },
  registers: Register[],
): void {
  const gauge = (name: string, help: string) => new Gauge({ name, help, labelNames: ['service'], registers })

  const up = new Gauge({
    name: 'porthole_service_up',
    help: `Whether the service's quorum is met (degraded counts as 1; unknown does not). ${cached}`,
    labelNames: ['service'],
    registers,
    // The first family lays out all of them, so that they show one moment.
    collect: layOut,
  })
  const targets = gauge('porthole_service_targets', 'How many targets the service has.')
  const targetsUp = gauge('porthole_service_targets_up', `How many of its targets are up. ${cached}`)
  const draining = gauge(
    'porthole_service_draining',
    'Always 1: the service is taken out of service by its operator. What its targets say is told all the same.',
  )
  const groupUp = new Gauge({
    name: 'porthole_group_up',
    help: `Whether the group's quorum is met (degraded counts as 1). Drained services are left out; where all are, it is not. ${cached}`,
    labelNames: ['group'],
    registers,
  })

  function layOut(): void {
    for (const family of [up, targets, targetsUp, draining, groupUp]) family.reset()
    const now = clock.now()
    /** The statuses of those that count. */
    const groups = new Map<string, Status[]>()
    for (const watched of monitor.services.values()) {
      const status = layOutService(watched, now)
      for (const group of watched.service.groups) {
        const statuses = groups.get(group) ?? []
        groups.set(group, statuses)
        if (!watched.drained) statuses.push(status)
      }
    }
    for (const [group, statuses] of groups) {
      groupUp.set({ group }, isUp(statusOf(countStatuses(statuses), registry.groups.get(group)?.quorum ?? 'all')))
    }
  }

  function layOutService(watched: WatchedService, now: number): Status {
    const service = watched.service.name
    const { status, counts } = standingOf(watched, now)
    up.set({ service }, isUp(status))
    targets.set({ service }, watched.targets.length)
    targetsUp.set({ service }, counts.up)
    if (watched.drained) draining.set({ service }, 1)
    return status
  }
}

function isUp(status: Status): 0 | 1 {
  return status === 'up' || status === 'degraded' ? 1 : 0
}
