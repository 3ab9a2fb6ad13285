import { type Counts, noCounts, Status } from '../domain/health/status.ts'
import { type Quorum, statusOf, statusOfPart } from '../domain/service/quorum.ts'
import type { Service } from '../domain/service/service.ts'
import type { MetricFamily } from '../domain/values/metric-family.ts'
import { countColumn, enumAt, enumColumn, enumOf, placeOf, rowOf } from '../monitor/state/columns.ts'
import { createSlots } from '../monitor/state/slots.ts'
import { currentStatusOf, type ServiceState } from '../monitor/state/state.ts'
import type { TimeSlice } from '../runtime/time-slices.ts'
import type { Selection } from './selection.ts'
import { createTable } from './table.ts'
import { cached } from './target-series.ts'
import type { Family } from './text-format.ts'

/** The columns of a chunk of services. */
type Chunk = ReturnType<typeof createChunk>

function createChunk() {
  return {
    /** Positions in the list of statuses. */
    status: enumColumn(),
    isDrained: enumColumn(),
    isExpired: enumColumn(),
    targets: countColumn(),
    targetsUp: countColumn(),
  }
}

const families: Family<Chunk>[] = [
  {
    name: 'porthole_service_up',
    type: 'gauge',
    help: `Whether the service's quorum is met: 1 while up or degraded, 0 while down or unknown. ${cached}`,
    column: ({ status }) => status,
    value: (place) => isUp(enumOf(Status.options, place)),
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
    help: `How many of the service's targets are up. ${cached}`,
    column: ({ targetsUp }) => targetsUp,
  },
  {
    name: 'porthole_service_draining',
    type: 'gauge',
    help: 'Always 1: the service is drained, that is, taken out of service by its operator. Its other series still show its targets.',
    column: ({ isDrained }) => isDrained,
    none: 0,
  },
  {
    name: 'porthole_service_expired',
    type: 'gauge',
    help: 'Always 1: the registration of the service was not renewed within its ttl, so the service is down. Its series of targets still show the checks.',
    column: ({ isExpired }) => isExpired,
    none: 0,
  },
]

/** The columns of a chunk of groups: slots only. Whether a group is up is computed for each scrape, because its quorum changes without an event. */
type GroupChunk = { readonly slots: Uint32Array }

function createGroupChunk(firstSlot: number): GroupChunk {
  return { slots: countColumn().map((_, row) => firstSlot + row) }
}

function groupFamiliesOf(isUp: (slot: number) => 0 | 1): Family<GroupChunk>[] {
  return [
    {
      name: 'porthole_group_up',
      type: 'gauge',
      help: `Whether the group's quorum is met; degraded counts as 1. Drained services are left out. 0 while all are drained, or while services may be missing. ${cached}`,
      column: ({ slots }) => slots,
      value: isUp,
    },
  ]
}

/** A group, and the statuses of its services. `members` includes drained services, `counts` does not. */
type Entry = { readonly name: string; readonly slot: number; readonly counts: Counts; members: number }

/** The series of all services and groups. */
export type ServiceSeries = {
  /** Adds a service, or updates it. */
  patch(state: ServiceState, now: number): void
  remove(state: ServiceState): void
  /** Yields the lines of the selected services and their groups, or of all, in chunks. A chunk is valid until the next one is requested. */
  renderChunks(selection: Selection | null, slice: TimeSlice): AsyncIterable<Buffer>
  labelBytes(): number
}

/** Creates the series of services and groups, without the families in `omit`. */
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
  /** The services by slot, as they were when they were last counted in their groups. */
  const counted: (Service | undefined)[] = []
  const table = createTable(createChunk, { service: (slot) => counted[slot]?.name ?? '' })
  const groups = new Map<string, Entry>()
  const groupSlots = createSlots()
  /** The groups by slot. A removed group stays here until another group gets its slot. */
  const groupIn: Entry[] = []
  const nameIn = (slot: number) => (groupIn[slot] as Entry).name
  const groupTable = createTable(createGroupChunk, { group: nameIn })
  const groupFamilies = groupFamiliesOf((slot) => {
    const { name, counts } = groupIn[slot] as Entry
    const judge = isPart() ? statusOfPart : statusOf
    return isUp(judge(counts, quorumOf(name)))
  })

  /** Returns the status by which groups count a service; null where they leave it out. */
  function countedAs(slot: number): Status | null {
    const chunk = table.chunkOf(slot)
    return chunk === undefined || chunk.isDrained[rowOf(slot)] === 1
      ? null
      : enumAt(Status.options, chunk.status, rowOf(slot))
  }

  function count(names: readonly string[], status: Status | null, by: 1 | -1): void {
    for (const name of names) {
      const group = groups.get(name) ?? addGroup(name)
      group.members += by
      if (status !== null) group.counts[status] += by
      if (group.members > 0) continue
      groups.delete(name)
      groupTable.remove(group.slot)
      groupSlots.release(group.slot)
    }
  }

  function addGroup(name: string): Entry {
    const group = { name, slot: groupSlots.allocate(), counts: noCounts(), members: 0 }
    groups.set(name, group)
    groupIn[group.slot] = group
    groupTable.add(group.slot)
    return group
  }

  /** Returns the groups of the selected services. Where the query names groups, returns only those. */
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
    patch(state, now) {
      const { slot, service, targets, drained } = state
      const before = counted[slot]
      if (before === undefined) table.add(slot)
      const countedBefore = countedAs(slot)
      const chunk = table.chunkOf(slot) as Chunk
      const row = rowOf(slot)
      const { status, counts } = currentStatusOf(state, now)
      chunk.status[row] = placeOf(Status.options, status)
      chunk.isDrained[row] = drained ? 1 : 0
      chunk.isExpired[row] = service.expiredTtlMs === null ? 0 : 1
      chunk.targets[row] = targets.length
      chunk.targetsUp[row] = counts.up
      // Adds the service to its new groups before it leaves the old ones. Otherwise a group of one service would be removed in between.
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
    async *renderChunks(selection, slice) {
      const isSelected = selection && ((slot: number) => selection.has(counted[slot] as Service))
      yield* table.renderChunks(families.filter(isKept), isSelected, slice)
      const names = selection && (await groupsOf(selection, slice))
      yield* groupTable.renderChunks(groupFamilies.filter(isKept), names && ((slot) => names.has(nameIn(slot))), slice)
    },
    labelBytes: table.labelBytes,
  }
}

function isUp(status: Status | null): 0 | 1 {
  return status === 'up' || status === 'degraded' ? 1 : 0
}
