import type { Clock } from '../clock.ts'
import type { LoggedTransition } from '../domain/transition.ts'
import { reportTransition } from './transition-reports.ts'

/** Which services a reader wants to hear of: those of these names, in one of these groups. What is left out does not matter. */
export type Filter = {
  readonly service?: ReadonlySet<string> | undefined
  readonly group?: ReadonlySet<string> | undefined
}

/** A service that something happened to, with the groups it is in, or was in until then. */
export type Named = { readonly name: string; readonly groups: readonly string[] }

/** One thing that happened, for every reader. */
export type News = {
  /** Null for what is not replayed. */
  readonly id: number | null
  /** How many services it is about. */
  readonly size: number
  /** What to write to a reader; null when it is not for them. Readers who want the same are given the same bytes. */
  frameFor(filter: Filter): Buffer | null
}

/** Whether a reader wants to hear of everything. */
export function wantsAll({ service, group }: Filter): boolean {
  return service === undefined && group === undefined
}

/** Whether a reader wants to hear of a service. */
export function wants({ service, group }: Filter, { name, groups }: Named): boolean {
  return (
    (service === undefined || service.has(name)) && (group === undefined || groups.some((member) => group.has(member)))
  )
}

/**
 * One event as it is written to a stream (WHATWG HTML §9.2.5). Only a CR or LF ends a line of it, and JSON escapes both:
 * whatever a name or a message holds, it stays inside its event.
 */
export function frame(event: string, data: unknown, id: number | null): Buffer {
  const idLine = id === null ? '' : `id: ${id}\n`
  return Buffer.from(`event: ${event}\n${idLine}data: ${JSON.stringify(data)}\n\n`)
}

/** A transition of a service that is in these groups. */
export function transitionNews(entry: LoggedTransition, groups: readonly string[], clock: Clock): News {
  const named = { name: entry.service, groups }
  let bytes: Buffer | undefined
  return {
    id: entry.id,
    size: 1,
    frameFor(filter) {
      if (!wants(filter, named)) return null
      bytes ??= frame('transition', reportTransition(entry, clock), entry.id)
      return bytes
    },
  }
}

/** Services that are new or different, and those that are gone. */
export function registryNews(put: readonly Named[], removed: readonly Named[]): News {
  const namesFor = (filter: Filter) => {
    const namesOf = (all: readonly Named[]) => all.filter((named) => wants(filter, named)).map(({ name }) => name)
    return { put: namesOf(put), removed: namesOf(removed) }
  }
  const write = (names: ReturnType<typeof namesFor>) =>
    names.put.length + names.removed.length === 0 ? null : frame('registry', names, null)
  const whole = write(namesFor({}))
  return {
    id: null,
    size: put.length + removed.length,
    frameFor: (filter) => (wantsAll(filter) ? whole : write(namesFor(filter))),
  }
}
