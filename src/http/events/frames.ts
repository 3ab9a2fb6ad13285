import type { LoggedTransition } from '../../domain/health/transition.ts'
import type { Clock } from '../../runtime/clock.ts'
import { reportTransition } from '../services/transition-reports.ts'

/** The services that a reader subscribes to: these names, in one of these groups. An absent set filters nothing. */
export type Filter = {
  readonly service?: ReadonlySet<string> | undefined
  readonly group?: ReadonlySet<string> | undefined
}

/** A service that an event is about, with its present groups and the groups that it just left. */
export type Named = { readonly name: string; readonly groups: readonly string[] }

/** One event, for all readers. */
export type News = {
  /** The id of the transition. Null for an event that is not replayed. */
  readonly id: number | null
  /** How many services the event is about. */
  readonly size: number
  /** Returns the bytes to write to a reader; null when its filter excludes the event. Readers with equal filters may share the bytes. */
  frameFor(filter: Filter): Buffer | null
}

/** Returns whether a filter selects all services. */
export function selectsAll({ service, group }: Filter): boolean {
  return service === undefined && group === undefined
}

/** Returns whether a filter selects a service. */
export function selects({ service, group }: Filter, { name, groups }: Named): boolean {
  return (
    (service === undefined || service.has(name)) && (group === undefined || groups.some((member) => group.has(member)))
  )
}

/**
 * Returns one event as it is written to a stream (WHATWG HTML §9.2.5). Only a CR or LF ends a line, and JSON escapes both,
 * so a name or a message can never end its event.
 */
export function frame(event: string, data: unknown, id: number | null): Buffer {
  const idLine = id === null ? '' : `id: ${id}\n`
  return Buffer.from(`event: ${event}\n${idLine}data: ${JSON.stringify(data)}\n\n`)
}

/** Returns the event for a transition of a service in these groups. */
export function transitionNews(entry: LoggedTransition, groups: readonly string[], clock: Clock): News {
  const named = { name: entry.service, groups }
  let bytes: Buffer | undefined
  return {
    id: entry.id,
    size: 1,
    frameFor(filter) {
      if (!selects(filter, named)) return null
      bytes ??= frame('transition', reportTransition(entry, clock), entry.id)
      return bytes
    },
  }
}

/** Returns the event for services that are new or changed (`put`) and services that are gone (`removed`). */
export function registryNews(put: readonly Named[], removed: readonly Named[]): News {
  const namesFor = (filter: Filter) => {
    const namesOf = (all: readonly Named[]) => all.filter((named) => selects(filter, named)).map(({ name }) => name)
    return { put: namesOf(put), removed: namesOf(removed) }
  }
  const write = (names: ReturnType<typeof namesFor>) =>
    names.put.length + names.removed.length === 0 ? null : frame('registry', names, null)
  const whole = write(namesFor({}))
  return {
    id: null,
    size: put.length + removed.length,
    frameFor: (filter) => (selectsAll(filter) ? whole : write(namesFor(filter))),
  }
}
