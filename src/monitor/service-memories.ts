import { noAddresses } from '../domain/addresses.ts'
import type { Service } from '../domain/service.ts'
import { Status } from '../domain/status.ts'
import { createColumns, nullableColumn, numberAt, numberColumn, placeOf, rowOf, wordAt, wordColumn } from './columns.ts'
import type { Tally } from './tally.ts'
import type { Checker, WatchedService, WatchedTarget } from './watch.ts'

/** What is remembered of services, as columns where it is numbers. */
export type ServiceMemories = {
  /** Watches a service, as yet without its targets, in a slot that is no other's. */
  watch(service: Service, slot: number): WatchedService
}

const nothing: Pick<WatchedService, 'announced' | 'announcedAt' | 'drained' | 'revision'> = {
  announced: 'unknown',
  announcedAt: null,
  drained: false,
  revision: 0,
}
/** One list for all services that have none, or of which nobody is joining. */
const nobody: readonly WatchedTarget[] = Object.freeze([])

function createPage() {
  return {
    announced: wordColumn(),
    announcedAt: nullableColumn(),
    drained: wordColumn(),
    revision: numberColumn(),
  }
}

export function createServiceMemories(): ServiceMemories {
  const { pageOf } = createColumns(createPage)

  /** In here, so that the way to its columns is no property of every service. */
  class ServiceInColumns implements WatchedService {
    slot: number
    service: Service
    /** One alone needs no list. */
    private held: WatchedTarget | readonly WatchedTarget[] = nobody
    addresses = noAddresses
    joining = nobody
    checkedBy: Checker | null = null
    tally: Tally | null = null

    constructor(service: Service, slot: number) {
      this.service = service
      this.slot = slot
    }

    get targets(): readonly WatchedTarget[] {
      return 'length' in this.held ? this.held : [this.held]
    }
    set targets(targets: readonly WatchedTarget[]) {
      const [first] = targets
      this.held = first !== undefined && targets.length === 1 ? first : targets
    }

    get announced(): Status {
      return wordAt(Status.options, pageOf(this.slot).announced, rowOf(this.slot)) ?? 'unknown'
    }
    set announced(status: Status) {
      pageOf(this.slot).announced[rowOf(this.slot)] = placeOf(Status.options, status)
    }

    get announcedAt(): number | null {
      return numberAt(pageOf(this.slot).announcedAt, rowOf(this.slot))
    }
    set announcedAt(instant: number | null) {
      pageOf(this.slot).announcedAt[rowOf(this.slot)] = instant ?? Number.NaN
    }

    get drained(): boolean {
      return pageOf(this.slot).drained[rowOf(this.slot)] === 1
    }
    set drained(isDrained: boolean) {
      pageOf(this.slot).drained[rowOf(this.slot)] = isDrained ? 1 : 0
    }

    get revision(): number {
      return pageOf(this.slot).revision[rowOf(this.slot)] as number
    }
    set revision(count: number) {
      pageOf(this.slot).revision[rowOf(this.slot)] = count
    }
  }

  return {
    watch: (service, slot) => Object.assign(new ServiceInColumns(service, slot), nothing),
  }
}
