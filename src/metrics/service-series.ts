import type { MetricFamily } from '../domain/metric-family.ts'
import { type Quorum, statusOf } from '../domain/quorum.ts'
import { type Counts, noCounts, type Status } from '../domain/status.ts'
import { standingOf, type WatchedService } from '../monitor/watch.ts'
import { createTable, type Row, type Table } from './table.ts'
import { cached } from './target-series.ts'
import type { Family } from './text-format.ts'

const families = [
  {
    name: 'porthole_service_up',
    type: 'gauge',
    width: 1,
    help: `Whether the service's quorum is met (degraded counts as 1; unknown does not). ${cached}`,
  },
  { name: 'porthole_service_targets', type: 'gauge', width: 7, help: 'How many targets the service has.' },
  { name: 'porthole_service_targets_up', type: 'gauge', width: 7, help: `How many of its targets are up. ${cached}` },
] as const satisfies Family[]

const draining = {
  name: 'porthole_service_draining',
  type: 'gauge',
  width: 1,
  help: 'Always 1: the service is taken out of service by its operator. What its targets say is told all the same.',
} as const satisfies Family

const groupUp = {
  name: 'porthole_group_up',
  type: 'gauge',
  width: 1,
  help: `Whether the group's quorum is met (degraded counts as 1). Drained services are left out; where all are, it is not. ${cached}`,
} as const satisfies Family

type Entry = {
  readonly row: Row
  drainingRow: Row | null
  /** What its groups count it as; null while they leave it out. */
  counted: Status | null
  groups: readonly string[]
}

type GroupEntry = { readonly row: Row | null; readonly counts: Counts; members: number }

/** The series of all services and groups. */
export type ServiceSeries = {
  /** Follows a service from now on, or brings it up to date. */
  patch(watched: WatchedService, now: number): void
  remove(watched: WatchedService): void
  /** All lines, or those of some services and groups, in pieces. */
  pieces(chosen: { services: readonly WatchedService[]; groups: readonly string[] } | null): Iterable<Buffer>
}

/** Lays out the series of services and groups, less the families in `omit`. */
export function createServiceSeries({
  quorumOf,
  omit,
}: {
  quorumOf: (group: string) => Quorum
  omit: ReadonlySet<MetricFamily>
}): ServiceSeries {
  const kept = families.filter(({ name }) => !omit.has(name))
  const table = createTable(kept)
  const tableOf = (family: Family): Table | null => (omit.has(family.name) ? null : createTable([family]))
  const [drained, ofGroups] = [tableOf(draining), tableOf(groupUp)]
  const entries = new Map<WatchedService, Entry>()
  const groups = new Map<string, GroupEntry>()

  function count(names: readonly string[], status: Status | null, by: 1 | -1): void {
    for (const name of names) {
      const group = groups.get(name) ?? { row: ofGroups?.add({ group: name }) ?? null, counts: noCounts(), members: 0 }
      groups.set(name, group)
      group.members += by
      if (status !== null) group.counts[status] += by
      if (group.members > 0) continue
      groups.delete(name)
      if (group.row !== null) ofGroups?.remove(group.row)
    }
  }

  /** Groups are few, and their quorums change without a word. */
  function writeGroups(): void {
    for (const [name, { row, counts }] of groups)
      if (row !== null) ofGroups?.set(row, 0, isUp(statusOf(counts, quorumOf(name))))
  }

  function writeDraining(entry: Entry, watched: WatchedService): void {
    if (watched.drained === (entry.drainingRow !== null) || drained === null) return
    if (entry.drainingRow !== null) drained.remove(entry.drainingRow)
    entry.drainingRow = watched.drained ? drained.add({ service: watched.service.name }) : null
    if (entry.drainingRow !== null) drained.set(entry.drainingRow, 0, 1)
  }

  function write({ row }: Entry, values: readonly number[]): void {
    for (const [place, { name }] of kept.entries())
      table.set(row, place, values[families.findIndex((family) => family.name === name)] ?? null)
  }

  return {
    patch(watched, now) {
      const { service, targets } = watched
      const { status, counts } = standingOf(watched, now)
      let entry = entries.get(watched)
      const counted = watched.drained ? null : status
      if (entry === undefined) {
        entry = { row: table.add({ service: service.name }), drainingRow: null, counted: null, groups: [] }
        entries.set(watched, entry)
      }
      write(entry, [isUp(status), targets.length, counts.up])
      writeDraining(entry, watched)
      // Those it joins before those it leaves, or a group of one would be gone in between.
      count(service.groups, counted, 1)
      count(entry.groups, entry.counted, -1)
      entry.counted = counted
      entry.groups = service.groups
    },
    remove(watched) {
      const entry = entries.get(watched)
      if (entry === undefined) return
      entries.delete(watched)
      table.remove(entry.row)
      if (entry.drainingRow !== null) drained?.remove(entry.drainingRow)
      count(entry.groups, entry.counted, -1)
    },
    *pieces(chosen) {
      writeGroups()
      const own = chosen?.services.flatMap((watched) => entries.get(watched) ?? []) ?? null
      for (const place of kept.keys())
        yield* own === null
          ? table.pieces(place)
          : table.piecesOf(
              place,
              own.map(({ row }) => row),
            )
      const drainingRows = own?.flatMap(({ drainingRow }) => drainingRow ?? []) ?? null
      if (drained !== null) yield* drainingRows === null ? drained.pieces(0) : drained.piecesOf(0, drainingRows)
      const groupRows = chosen?.groups.flatMap((name) => groups.get(name)?.row ?? []) ?? null
      if (ofGroups !== null) yield* groupRows === null ? ofGroups.pieces(0) : ofGroups.piecesOf(0, groupRows)
    },
  }
}

function isUp(status: Status): 0 | 1 {
  return status === 'up' || status === 'degraded' ? 1 : 0
}
