import { isTooOld } from '../domain/health.ts'
import { createQueue } from '../queue.ts'
import type { Turns } from './turns.ts'
import type { Check, WatchedService } from './watch.ts'

/**
 * Checks what is older than `maxAgeMs` and waits for it, `waitMs` at most. A null age: on-demand services by their
 * own maxAge, others not at all. Returns null when nothing needs a check.
 */
export type Refresh = (
  services: readonly WatchedService[],
  maxAgeMs: number | null,
  waitMs?: number,
) => Promise<void> | null

/** So many targets are looked at before whatever else waits gets its turn of the event loop, some 4 ms of work; to begin a check is as much as looking at some more. */
const mostAtOnce = 20_000
const checkWork = 40
/** And at once while others have not asked for all they want: so much that who wants few does not wait for them. */
const fewAtOnce = 10 * checkWork

/** What it returns is for all who ask: they take turns of the event loop together, so that many hold it up no longer than one. */
export function createRefresh({ turns, clock }: { turns: Pick<Turns, 'ask'>; clock: { now(): number } }): Refresh {
  /** Those who have not asked for all they want yet. */
  const asking = createQueue<Iterator<void>>()

  function* askFor(services: readonly WatchedService[], maxAgeMs: number | null, wait: Wait): Generator<void> {
    const now = clock.now()
    let work = asking.length === 0 ? 0 : mostAtOnce - fewAtOnce
    for (const watchedService of services) {
      const { policy } = watchedService.service
      // Quicker to see than the ages of all of them: on a schedule nothing is too old for who wants no age.
      if (maxAgeMs === null && policy.intervalMs !== null) continue
      for (const watched of watchedService.targets) {
        if (work >= mostAtOnce) {
          yield
          work = 0
        }
        work++
        if (watched.retired || !isTooOld(watched.health, policy, maxAgeMs, now)) continue
        wait.add(turns.ask(watched))
        work += checkWork
      }
    }
    wait.endWithAll()
  }

  function goOn(): void {
    if (asking.peek()?.next().done) asking.shift()
    if (asking.length > 0) setImmediate(goOn)
  }

  return (services, maxAgeMs, waitMs) => {
    const wait = createWait(waitMs !== 0)
    const asks = askFor(services, maxAgeMs, wait)
    if (asks.next().done) {
      if (wait.isEmpty()) return null
    } else {
      asking.push(asks)
      if (asking.length === 1) setImmediate(goOn)
    }
    return waitMs === undefined ? wait.ended : atMost(waitMs, wait.ended)
  }
}

/** Waits for many checks at once, and leaves no more behind with each than a word: whoever asks may have gone long before they end. */
type Wait = {
  add(check: Check): void
  isEmpty(): boolean
  /** No check comes any more: it ends with the last of them. */
  endWithAll(): void
  readonly ended: Promise<void>
}

/** Who is not patient waits for none of them, and only asks for them. */
function createWait(isPatient: boolean): Wait {
  const { promise, resolve } = Promise.withResolvers<void>()
  let added = 0
  // One for whoever adds.
  let left = 1
  const endOne = () => {
    left--
    if (left === 0) resolve()
  }
  return {
    add(check) {
      added++
      if (!isPatient) return
      left++
      check.callers ??= []
      check.callers.push(endOne)
    },
    isEmpty: () => added === 0,
    endWithAll: endOne,
    ended: promise,
  }
}

/** Waits for something, but no longer than that. */
async function atMost(ms: number, something: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([something, patience])
  clearTimeout(timer)
}
