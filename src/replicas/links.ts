import type { Transition } from '../domain/transition.ts'
import type { WatchedService, WatchedTarget } from '../monitor/watch.ts'

/** How this replica's memory of a service stands to what all replicas share. */
export type ServiceLink = {
  /** The version of the shared memory that this one's goes on from; 0: there is none. */
  version: number
  /** This replica knows more of the service itself than it has published. */
  isAhead: boolean
  /** What it found and has not published. */
  found: Transition[]
  /** Targets that the service has no longer. */
  gone: Set<string>
  /** What others know is to be taken even where this one's is newer: its own was refused. */
  mustAdopt: boolean
}

/** How its memory of a target stands, likewise. */
export type TargetLink = {
  version: number
  isAhead: boolean
  /** Somebody asked for what it found, which needs no lease. */
  isAsked: boolean
}

/** The links of all services and targets that are watched, for as long as they are. */
export type Links = {
  of(service: WatchedService): ServiceLink
  ofTarget(target: WatchedTarget): TargetLink
  /** Notes that these fields of a service have this version, at least. A field is a target's name, or empty for the service itself. */
  advance(service: WatchedService, fields: Iterable<string>, version: number): void
  /** The version of each field that is known. */
  versionsOf(service: WatchedService): Map<string, number>
}

export function createLinks(): Links {
  const services = new WeakMap<WatchedService, ServiceLink>()
  const targets = new WeakMap<WatchedTarget, TargetLink>()

  function of(service: WatchedService): ServiceLink {
    const known = services.get(service)
    if (known !== undefined) return known
    const link: ServiceLink = {
      version: 0,
      isAhead: false,
      found: [],
      gone: new Set(),
      mustAdopt: false,
    }
    services.set(service, link)
    return link
  }

  function ofTarget(target: WatchedTarget): TargetLink {
    const known = targets.get(target)
    if (known !== undefined) return known
    const link: TargetLink = { version: 0, isAhead: false, isAsked: false }
    targets.set(target, link)
    return link
  }

  return {
    of,
    ofTarget,
    advance(service, fields, version) {
      const advanced = new Set(fields)
      const link = of(service)
      if (advanced.has('')) link.version = Math.max(link.version, version)
      for (const watched of service.targets) {
        const target = ofTarget(watched)
        if (advanced.has(watched.target.name)) target.version = Math.max(target.version, version)
      }
    },
    versionsOf(service) {
      const versions = service.targets.map((watched): [string, number] => [
        watched.target.name,
        ofTarget(watched).version,
      ])
      return new Map([['', of(service).version], ...versions])
    },
  }
}
