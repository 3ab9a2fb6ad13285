import { Reason } from '../domain/outcome.ts'
import { phaseOf } from '../domain/schedule.ts'
import { Status } from '../domain/status.ts'
import type { LoggedTransition } from '../domain/transition.ts'
import { countColumn, numberColumn, placeOf, rowOf, rowsPerPage, wordAt, wordColumn } from './columns.ts'
import { createTexts } from './texts.ts'

/**
 * What a log keeps, as columns: a hundred thousand transitions as objects would be a million words for the garbage collector to
 * look at. Each has a place, a whole number that is one more than that of the transition logged before it.
 */
export type KeptTransitions = {
  /** The place of the oldest; `end` when nothing is kept. */
  readonly first: number
  /** The place of whatever is added next. */
  readonly end: number
  /** Grows when all is replaced: then places mean others. */
  readonly generation: number
  idAt(place: number): number
  instantAt(place: number): number
  read(place: number): LoggedTransition
  /** Those from a place on, as many as wanted, the oldest first. */
  readFrom(place: number, limit?: number): LoggedTransition[]
  /** The places of what one service has, or of all there are, the newest first. Of what others have hardly anything is looked at for that. */
  placesOf(service: string | undefined): Iterable<number>
  add(entry: LoggedTransition): void
  forgetBefore(place: number): void
  replaceAll(entries: readonly LoggedTransition[]): void
}

/**
 * Transitions are found by their service through this many chains, which is few enough to be little and enough that hardly two services of
 * a hundred thousand share one: a map of names would be as large again as all that is kept of each.
 */
const chains = 65_536

/** Most messages say the same as one of these did, such as that 1 of 1 targets is up. */
const messagesShared = 1000

function createPage() {
  return {
    id: numberColumn(),
    at: numberColumn(),
    from: wordColumn(),
    to: wordColumn(),
    reason: wordColumn(),
    /** How far back in its chain the one before it is, which may be forgotten by now; 0 where there was none. */
    back: countColumn(),
    service: Array<string>(rowsPerPage).fill(''),
    target: Array<string | null>(rowsPerPage).fill(null),
    message: Array<string>(rowsPerPage).fill(''),
  }
}

type Page = ReturnType<typeof createPage>

export function createKeptTransitions(): KeptTransitions {
  /** Those with something in them, which were made one after the other. */
  let pages: Page[] = []
  let first = 0
  let end = 0
  let generation = 0
  /** The place of the newest transition in each chain; -1 where none was ever. */
  const newest = new Float64Array(chains).fill(-1)
  const messages = createTexts(messagesShared)

  function pageOf(place: number): Page {
    return pages[Math.floor(place / rowsPerPage) - Math.floor(first / rowsPerPage)] as Page
  }

  function serviceAt(place: number): string {
    return pageOf(place).service[rowOf(place)] as string
  }

  /** The places in a chain, the newest first. */
  function* placesIn(chain: number): Iterable<number> {
    let place = newest[chain] as number
    while (place >= first) {
      // It may be forgotten by the time that the next is asked for.
      const back = pageOf(place).back[rowOf(place)] as number
      yield place
      if (back === 0) break
      place -= back
    }
  }

  function read(place: number): LoggedTransition {
    const page = pageOf(place)
    const row = rowOf(place)
    return {
      id: page.id[row] as number,
      service: serviceAt(place),
      target: page.target[row] as string | null,
      from: wordAt(Status.options, page.from, row) ?? 'unknown',
      to: wordAt(Status.options, page.to, row) ?? 'unknown',
      at: page.at[row] as number,
      reason: wordAt(Reason.options, page.reason, row),
      message: page.message[row] as string,
    }
  }

  function add({ id, service, target, from, to, at, reason, message }: LoggedTransition): void {
    if (rowOf(end) === 0) pages.push(createPage())
    const page = pageOf(end)
    const row = rowOf(end)
    page.id[row] = id
    page.at[row] = at
    page.from[row] = placeOf(Status.options, from)
    page.to[row] = placeOf(Status.options, to)
    page.reason[row] = placeOf(Reason.options, reason)
    const chain = chainOf(service)
    const before = newest[chain] as number
    page.back[row] = before < first ? 0 : end - before
    // One string for all that a service has: from elsewhere its name comes as another each time.
    page.service[row] = before >= first && serviceAt(before) === service ? serviceAt(before) : service
    page.target[row] = target
    page.message[row] = messages.share(message)
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
    idAt: (place) => pageOf(place).id[rowOf(place)] as number,
    instantAt: (place) => pageOf(place).at[rowOf(place)] as number,
    read,
    readFrom(place, limit = Number.POSITIVE_INFINITY) {
      return Array.from({ length: Math.min(limit, end - place) }, (_, index) => read(place + index))
    },
    *placesOf(service) {
      if (service === undefined) for (let place = end - 1; place >= first; place--) yield place
      else for (const place of placesIn(chainOf(service))) if (serviceAt(place) === service) yield place
    },
    add,
    forgetBefore(place) {
      while (first < place) {
        first++
        if (rowOf(first) === 0) pages.shift()
      }
    },
    replaceAll(entries) {
      generation++
      pages = []
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
