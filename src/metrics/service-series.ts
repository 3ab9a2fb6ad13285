import type { MetricFamily } from '../domain/metric-family.ts'
import { type Quorum, statusOf, statusOfPart } from '../domain/quorum.ts'
import type { Service } from '../domain/service.ts'
import { type Counts, noCounts, Status } from '../domain/status.ts'
import { countColumn, placeOf, rowOf, wordAt, wordColumn, wordOf } from '../monitor/columns.ts'
import { createSlots } from '../monitor/slots.ts'
import { standingOf, type WatchedService } from '../monitor/watch.ts'
import type { TimeSlice } from '../time-slices.ts'
import type { Selection } from './selection.ts'
import { createTable } from './table.ts'
import { cached } from './target-series.ts'
import type { Family } from './text-format.ts'

/** What is kept of the services of a page. */
type Page = ReturnType<typeof createPage>

function createPage() {
  return {
    /** Places in the list of them. */
    status: wordColumn(),
    isDrained: wordColumn(),
    isExpired: wordColumn(),
    targets: countColumn(),
    targetsUp: countColumn(),
  }
}

const families: Family<Page>[] = [
  {
    name: 'porthole_service_up',
    type: 'gauge',
    help: `Whether the service's quorum is met (degraded counts as 1; unknown does not). ${cached}`,
    column: ({ status }) => status,
    value: (place) => isUp(wordOf(Status.options, place)),
  },
  {
    name: 'porthole_service_targets',
    type: 'gauge',
    help: 'How many targets the service has.',
    column: ({ targets }) => targets,
  },
  {
    name: 'porthole_service_targets_up',
    type: 'gauge',
    help: `How many of its targets are up. ${cached}`,
    column: ({ targetsUp }) => targetsUp,
  },
  {
    name: 'porthole_service_draining',
    type: 'gauge',
    help: 'Always 1: the service is taken out of service by its operator. What its targets say is told all the same.',
    column: ({ isDrained }) => isDrained,
    none: 0,
  },
  {
    name: 'porthole_service_expired',
    type: 'gauge',
    help: 'Always 1: the registration of the service was not renewed within its ttl, so the service is down. What its targets say is told all the same.',
    column: ({ isExpired }) => isExpired,
    none: 0,
  },
]

/** Nothing is kept of a group but what its services read as: its quorum changes without a word. */
type GroupPage = { readonly slots: Uint32Array }

function createGroupPage(firstSlot: number): GroupPage {
  return { slots: countColumn().map((_, row) => firstSlot + row) }
}

function groupFamiliesOf(isUp: (slot: number) => 0 | 1): Family<GroupPage>[] {
  return [
    {
      name: 'porthole_group_up',
      type: 'gauge',
      help: `Whether the group's quorum is met (degraded counts as 1). Drained services are left out; where all are, it is not, nor while services may be missing. ${cached}`,
      column: ({ slots }) => slots,
      value: isUp,
    },
  ]
}

/** A group, and what its services read as; drained ones are members, but not counted. */
type Entry = { readonly name: string; readonly slot: number; readonly counts: Counts; members: number }

/** The series of all services and groups. */
export type ServiceSeries = {
  /** Follows a service from now on, or brings it up to date. */
  patch(watched: WatchedService, now: number): void
  remove(watched: WatchedService): void
  /** The lines of selected services and of their groups, or of all, in pieces of which each holds until the next is asked for. */
  pieces(selection: Selection | null, slice: TimeSlice): AsyncIterable<Buffer>
  labelBytes(): number
}

/** Keeps what the series of services and groups tell, less the families in `omit`. */
export function createServiceSeries({
  quorumOf,
  isPart,
  omit,
}: {
  quorumOf: (group: string) => Quorum
  /** Whether services may be missing. */
  isPart: () => boolean
  omit: ReadonlySet<MetricFamily>
}): ServiceSeries {
  const isKept = ({ name }: { name: MetricFamily }) => !omit.has(name)
  /** The services by slot, as they were when their groups counted them. */
  const counted: (Service | undefined)[] = []
  const table = createTable(createPage, { service: (slot) => counted[slot]?.name ?? '' })
  const groups = new Map<string, Entry>()
  const groupSlots = createSlots()
  /** The groups by slot; what is gone stays until another takes its place. */
  const groupIn: Entry[] = []
  const nameIn = (slot: number) => (groupIn[slot] as Entry).name
  const groupTable = createTable(createGroupPage, { group: nameIn })
  const groupFamilies = groupFamiliesOf((slot) => {
    const { name, counts } = groupIn[slot] as Entry
    const judge = isPart() ? statusOfPart : statusOf
    return isUp(judge(counts, quorumOf(name)))
  })

  /** What its groups count a service as; null where they leave it out. */
  function countedAs(slot: number): Status | null {
    const page = table.pageOf(slot)
    return page === undefined || page.isDrained[rowOf(slot)] === 1
      ? null
      : wordAt(Status.options, page.status, rowOf(slot))
  }

  function count(names: readonly string[], status: Status | null, by: 1 | -1): void {
    for (const name of names) {
      const group = groups.get(name) ?? addGroup(name)
      group.members += by
      if (status !== null) group.counts[status] += by
      if (group.members > 0) continue
      groups.delete(name)
      groupTable.remove(group.slot)
      groupSlots.giveBack(group.slot)
    }
  }

  function addGroup(name: string): Entry {
    const group = { name, slot: groupSlots.take(), counts: noCounts(), members: 0 }
    groups.set(name, group)
    groupIn[group.slot] = group
    groupTable.add(group.slot)
    return group
  }

  /** The names of the groups of selected services, where groups are selected as well only those. */
  async function groupsOf(selection: Selection, slice: TimeSlice): Promise<ReadonlySet<string>> {
    const names = new Set<string>()
    for (const service of counted) {
      if (slice.mustYield(1 + (service?.groups.length ?? 0))) await slice.yield()
      if (service !== undefined && selection.has(service))
        for (const name of service.groups) if (selection.hasGroup(name)) names.add(name)
    }
    return names
  }

  return {
    patch(watched, now) {
      const { slot, service, targets, drained } = watched
      const before = counted[slot]
      if (before === undefined) table.add(slot)
      const countedBefore = countedAs(slot)
      const page = table.pageOf(slot) as Page
      const row = rowOf(slot)
      const { status, counts } = standingOf(watched, now)
      page.status[row] = placeOf(Status.options, status)
      page.isDrained[row] = drained ? 1 : 0
      page.isExpired[row] = service.expiredTtlMs === null ? 0 : 1
      page.targets[row] = targets.length
      page.targetsUp[row] = counts.up
      // Those it joins before those it leaves, or a group of one would be gone in between.
      count(service.groups, countedAs(slot), 1)
      count(before?.groups ?? [], countedBefore, -1)
      counted[slot] = service
    },
    remove({ slot }) {
      const before = counted[slot]
      if (before === undefined) return
      counted[slot] = undefined
      count(before.groups, countedAs(slot), -1)
      table.remove(slot)
    },
    async *pieces(selection, slice) {
      const isSelected = selection && ((slot: number) => selection.has(counted[slot] as Service))
      yield* table.pieces(families.filter(isKept), isSelected, slice)
      const names = selection && (await groupsOf(selection, slice))
      yield* groupTable.pieces(groupFamilies.filter(isKept), names && ((slot) => names.has(nameIn(slot))), slice)
    },
    labelBytes: table.labelBytes,
  }
}

function isUp(status: Status | null): 0 | 1 {
  return status === 'up' || status === 'degraded' ? 1 : 0
}
