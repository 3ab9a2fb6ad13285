import type { LoggedTransition } from '../domain/transition.ts'

/** Transitions in the order in which they were logged; those before `first` are forgotten. */
export type Run = { readonly entries: readonly LoggedTransition[]; readonly first: number }

/** What a log keeps, so that what one service has is found without looking at all there is. */
export type KeptTransitions = {
  /** The oldest first. */
  readonly all: readonly LoggedTransition[]
  /** Those of one service, or all there are; undefined when nothing is kept of it. */
  of(service: string | undefined): Run | undefined
  add(entry: LoggedTransition): void
  forgetOldest(count: number): void
  replaceAll(entries: readonly LoggedTransition[]): void
}

/** The part of a run that may be forgotten and still there: to drop them one at a time would move all the rest each time. */
const mostForgotten = 1 / 8

export function createKeptTransitions(): KeptTransitions {
  let all: LoggedTransition[] = []
  const runs = new Map<string, { entries: LoggedTransition[]; first: number }>()

  function index(entry: LoggedTransition): void {
    const run = runs.get(entry.service)
    if (run === undefined) runs.set(entry.service, { entries: [entry], first: 0 })
    else run.entries.push(entry)
  }

  /** What is the oldest of all is the oldest of its service. */
  function forgetOldestOf(service: string): void {
    const run = runs.get(service)
    if (run === undefined) return
    run.first++
    if (run.first === run.entries.length) runs.delete(service)
    else if (run.first >= run.entries.length * mostForgotten)
      runs.set(service, { entries: run.entries.slice(run.first), first: 0 })
  }

  return {
    get all() {
      return all
    },
    of: (service) => (service === undefined ? { entries: all, first: 0 } : runs.get(service)),
    add(entry) {
      all.push(entry)
      index(entry)
    },
    forgetOldest(count) {
      for (const { service } of all.slice(0, count)) forgetOldestOf(service)
      all = all.slice(count)
    },
    replaceAll(entries) {
      all = [...entries]
      runs.clear()
      for (const entry of all) index(entry)
    },
  }
}
