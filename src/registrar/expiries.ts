import { noPauses, type Pauses, pausedMs } from '../domain/health/pause.ts'
import type { Clock } from '../runtime/clock.ts'
import { createHeap, type Timed } from '../runtime/heap.ts'

/** Names that each expire at a time of their own. */
export type Expiries = {
  /** Sets the instant of the clock at which a name expires, in milliseconds; null: never. */
  set(name: string, at: number | null): void
  /** Expires the names that are due. Returns the instant of the next look; null if no name expires. */
  runDue(): number | null
  close(): void
}

/** The shortest sleep between two looks, in milliseconds. Otherwise many names that expire one by one would wake the process for each. */
const leastSleepMs = 100
/** The longest time for which names are expired in one turn of the event loop, in milliseconds. */
const turnMs = 5
/** The longest sleep, in milliseconds. Node.js fires a timer at once if it is set further ahead. */
const mostSleepMs = 2 ** 31 - 1

/** The time, in milliseconds, to read the requests that waited while this process did not run. */
const readMs = 1000

type Expiry = Timed & { readonly name: string }

/**
 * Calls `end` with each name that expires, and removes it. A pause of this process delays all expiries by its length, because no renewal could
 * be read during the pause. One more second is for reading the renewals that waited. The timer keeps no process alive.
 */
export function createExpiries({
  clock,
  end,
  pauses = noPauses,
}: {
  clock: Clock
  end: (name: string) => void
  /** The pauses of this process, as known at any time. */
  pauses?: Pauses
}): Expiries {
  const inOrder = createHeap<Expiry>()
  const byName = new Map<string, Expiry>()
  let timer: NodeJS.Timeout | undefined
  /** The end of the last pause that the expiries were delayed by. */
  let postponedUntil = Number.NEGATIVE_INFINITY

  /** Delays all expiries by the pauses since the last call. Their order stays. */
  function postponeAll(): void {
    const last = pauses.ofProcess.at(-1)
    if (last === undefined || last.to <= postponedUntil) return
    const ms = pausedMs(pauses.ofProcess, postponedUntil, last.to) + readMs
    postponedUntil = last.to
    for (const expiry of byName.values()) expiry.dueAt += ms
  }

  function forget(name: string): void {
    const expiry = byName.get(name)
    if (expiry === undefined) return
    byName.delete(name)
    inOrder.remove(expiry)
  }

  function runDue(): number | null {
    const now = clock.now()
    postponeAll()
    for (;;) {
      const next = inOrder.peek()
      if (next === undefined || next.dueAt > now) return next?.dueAt ?? null
      if (clock.now() - now > turnMs) return next.dueAt
      forget(next.name)
      end(next.name)
    }
  }

  function arm(at: number | null): void {
    clearTimeout(timer)
    if (at === null) return
    const sleepMs = Math.min(Math.max(at - clock.now(), leastSleepMs), mostSleepMs)
    timer = setTimeout(() => arm(runDue()), sleepMs).unref()
  }

  return {
    set(name, at) {
      forget(name)
      if (at === null) return
      // Apply the past pauses first, because they must not delay the new expiry.
      postponeAll()
      const expiry = { name, dueAt: at, heapIndex: -1 }
      byName.set(name, expiry)
      inOrder.push(expiry)
      if (inOrder.peek() === expiry) arm(at)
    },
    runDue,
    close: () => clearTimeout(timer),
  }
}
