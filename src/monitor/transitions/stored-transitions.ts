import { reasons } from '../../domain/check/outcome.ts'
import { phaseOf } from '../../domain/check/schedule.ts'
import { Status } from '../../domain/health/status.ts'
import type { LoggedTransition } from '../../domain/health/transition.ts'
import type { StatusChanges } from '../../domain/health/uptime.ts'
import { countColumn, enumAt, enumColumn, numberColumn, placeOf, rowOf, rowsPerChunk } from '../state/columns.ts'
import { createStringPool } from '../state/string-pool.ts'

/**
 * The entries of a transition log, as columns. 100,000 transitions as objects would be a million words for the garbage collector to visit.
 * Each entry has a place, a whole number that is one more than the place of the previous entry.
 */
export type StoredTransitions = {
  /** The place of the oldest entry; equals `end` when the log is empty. */
  readonly first: number
  /** The place of the next entry that is added. */
  readonly end: number
  /** Grows when all entries are replaced. Places from an earlier generation then mean other entries. */
  readonly generation: number
  idAt(place: number): number
  instantAt(place: number): number
  read(place: number): LoggedTransition
  /** Returns up to `limit` entries from a place on, oldest first. */
  readFrom(place: number, limit?: number): LoggedTransition[]
  /** Yields the places of the entries of one service, or of all entries, newest first. Visits few entries of other services. */
  placesOf(service: string | undefined): Iterable<number>
  /** Returns the status changes of a service itself, without its targets, oldest first. Reads only the columns of these fields. */
  changesOf(service: string): StatusChanges
  add(entry: LoggedTransition): void
  forgetBefore(place: number): void
  replaceAll(entries: readonly LoggedTransition[]): void
}

/**
 * The number of hash chains that lead from a service to its entries. The chains take 512 KiB, and 100,000 services put one or two into each
 * of them. A map by service name would take as much memory again as the entries of each service.
 */
const chains = 65_536

/** How many messages share their string. Most messages equal an earlier one, such as "1 of 1 targets up". */
const messagesShared = 1000

function createChunk() {
  return {
    id: numberColumn(),
    at: numberColumn(),
    from: enumColumn(),
    to: enumColumn(),
    reason: enumColumn(),
    /** The distance to the previous entry of the chain, which may be forgotten; 0 if there was none. */
    back: countColumn(),
    service: Array<string>(rowsPerChunk).fill(''),
    target: Array<string | null>(rowsPerChunk).fill(null),
    message: Array<string>(rowsPerChunk).fill(''),
  }
}

type Chunk = ReturnType<typeof createChunk>

export function createStoredTransitions(): StoredTransitions {
  /** The chunks that hold entries, consecutive by place. */
  let chunks: Chunk[] = []
  let first = 0
  let end = 0
  let generation = 0
  /** The place of the newest entry of each chain; -1 if the chain never had one. */
  const newest = new Float64Array(chains).fill(-1)
  const messages = createStringPool(messagesShared)

  function chunkOf(place: number): Chunk {
    return chunks[Math.floor(place / rowsPerChunk) - Math.floor(first / rowsPerChunk)] as Chunk
  }

  function serviceAt(place: number): string {
    return chunkOf(place).service[rowOf(place)] as string
  }

  /** Yields the places of a chain, newest first. */
  function* placesIn(chain: number): Iterable<number> {
    let place = newest[chain] as number
    while (place >= first) {
      // Read the distance before the yield, because the entry may be forgotten when the caller resumes.
      const back = chunkOf(place).back[rowOf(place)] as number
      yield place
      if (back === 0) break
      place -= back
    }
  }

  /** Visits the entries of a service itself, newest first. Not a generator, which takes far longer for 100,000 entries. */
  function visitChanges(service: string, visit: (chunk: Chunk, row: number) => void): void {
    for (let place = newest[chainOf(service)] as number, back = 1; back > 0 && place >= first; place -= back) {
      const chunk = chunkOf(place)
      const row = rowOf(place)
      back = chunk.back[row] as number
      if (chunk.target[row] === null && chunk.service[row] === service) visit(chunk, row)
    }
  }

  function read(place: number): LoggedTransition {
    const chunk = chunkOf(place)
    const row = rowOf(place)
    return {
      id: chunk.id[row] as number,
      service: serviceAt(place),
      target: chunk.target[row] as string | null,
      from: enumAt(Status.options, chunk.from, row) ?? 'unknown',
      to: enumAt(Status.options, chunk.to, row) ?? 'unknown',
      at: chunk.at[row] as number,
      reason: enumAt(reasons, chunk.reason, row),
      message: chunk.message[row] as string,
    }
  }

  function add({ id, service, target, from, to, at, reason, message }: LoggedTransition): void {
    if (rowOf(end) === 0) chunks.push(createChunk())
    const chunk = chunkOf(end)
    const row = rowOf(end)
    chunk.id[row] = id
    chunk.at[row] = at
    chunk.from[row] = placeOf(Status.options, from)
    chunk.to[row] = placeOf(Status.options, to)
    chunk.reason[row] = placeOf(reasons, reason)
    const chain = chainOf(service)
    const before = newest[chain] as number
    chunk.back[row] = before < first ? 0 : end - before
    // Share one string per service, because each entry from a store or another replica brings its own copy of the name.
    chunk.service[row] = before >= first && serviceAt(before) === service ? serviceAt(before) : service
    chunk.target[row] = target
    chunk.message[row] = messages.share(message)
    newest[chain] = end
    end++
  }

  return {
    get first() {
      return first
    },
    get end() {
      return end
    },
    get generation() {
      return generation
    },
    idAt: (place) => chunkOf(place).id[rowOf(place)] as number,
    instantAt: (place) => chunkOf(place).at[rowOf(place)] as number,
    read,
    readFrom(place, limit = Number.POSITIVE_INFINITY) {
      return Array.from({ length: Math.min(limit, end - place) }, (_, index) => read(place + index))
    },
    *placesOf(service) {
      if (service === undefined) for (let place = end - 1; place >= first; place--) yield place
      else for (const place of placesIn(chainOf(service))) if (serviceAt(place) === service) yield place
    },
    changesOf(service) {
      let count = 0
      visitChanges(service, () => count++)
      // Columns of the right size, because most of the time for 100,000 changes goes into columns that grow.
      const changes: StatusChanges = { at: Array(count), from: Array(count), to: Array(count) }
      visitChanges(service, (chunk, row) => {
        count--
        changes.at[count] = chunk.at[row] as number
        changes.from[count] = enumAt(Status.options, chunk.from, row) ?? 'unknown'
        changes.to[count] = enumAt(Status.options, chunk.to, row) ?? 'unknown'
      })
      return changes
    },
    add,
    forgetBefore(place) {
      while (first < place) {
        first++
        if (rowOf(first) === 0) chunks.shift()
      }
    },
    replaceAll(entries) {
      generation++
      chunks = []
      first = 0
      end = 0
      newest.fill(-1)
      for (const entry of entries) add(entry)
    },
  }
}

function chainOf(service: string): number {
  return Math.floor(phaseOf(service) * chains)
}
