import type { FastifyBaseLogger } from 'fastify'
import type { LookUpChange } from '../../monitor/discovery/address-tracking.ts'

/** From this number of changes on, one line reports all of them, because a resolver that fails says nothing about a single name. */
const many = 5
/** How long no other change must come before the gathered changes are logged, in milliseconds. */
const quietMs = 1000
/** The longest time for which changes are gathered, in milliseconds. Names are looked up every 10 s, each at a time of its own. */
const gatherMs = 15_000

/**
 * Returns a function that logs the names whose look-ups begin to fail or work again. Up to 4 changes get a line each; 5 or more share one line.
 * The function gathers changes that come soon after each other. It drops a name that fails and works again in between. Its memory grows with the
 * number of names that change.
 */
export function createLookUpNews(log: Pick<FastifyBaseLogger, 'info' | 'warn'>): (change: LookUpChange) => void {
  const gathered = new Map<string, LookUpChange>()
  let began = 0
  let timer: NodeJS.Timeout | undefined

  function gatherChange(change: LookUpChange): void {
    const key = JSON.stringify([change.service, change.target])
    const waiting = gathered.get(key)
    if (waiting !== undefined && (waiting.failure === null) !== (change.failure === null)) gathered.delete(key)
    else gathered.set(key, change)
    const now = performance.now()
    if (timer === undefined) began = now
    clearTimeout(timer)
    timer = setTimeout(flush, Math.max(0, Math.min(quietMs, began + gatherMs - now))).unref()
  }

  function flush(): void {
    timer = undefined
    const changes = [...gathered.values()]
    gathered.clear()
    logChanges(
      changes.filter(({ failure }) => failure !== null),
      logFailing,
      logFailingTogether,
    )
    logChanges(
      changes.filter(({ failure }) => failure === null),
      logWorking,
      logWorkingTogether,
    )
  }

  function logChanges(
    changes: readonly LookUpChange[],
    one: (change: LookUpChange) => void,
    together: (changes: readonly LookUpChange[]) => void,
  ): void {
    if (changes.length >= many) together(changes)
    else for (const change of changes) one(change)
  }

  function logFailing(change: LookUpChange): void {
    const { target, failure } = change
    log.warn(
      change,
      `the addresses of ${target} cannot be looked up (${failure}): its last known addresses are checked for lookupHold`,
    )
  }

  function logWorking(change: LookUpChange): void {
    log.info(change, `the addresses of ${change.target} can be looked up again`)
  }

  function logFailingTogether(changes: readonly LookUpChange[]): void {
    const { fields, summary } = summaryOf(changes)
    const failures = [...new Set(changes.map(({ failure }) => failure))].join(', ')
    log.warn(
      { ...fields, failures },
      `look-ups fail: no answer for ${summary} (${failures}). See whether the resolver answers; the last known addresses are checked for lookupHold`,
    )
  }

  function logWorkingTogether(changes: readonly LookUpChange[]): void {
    const { fields, summary } = summaryOf(changes)
    log.info(fields, `look-ups work again: for ${summary}`)
  }

  return gatherChange
}

function summaryOf(changes: readonly LookUpChange[]) {
  const names = new Set(changes.map(({ target }) => target.replace(/:\d+$/, '')))
  const services = new Set(changes.map(({ service }) => service))
  const [first = ''] = names
  return {
    fields: { names: names.size, services: services.size },
    summary: `${counted(names.size, 'name')} of ${counted(services.size, 'service')}, such as ${first}`,
  }
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}
