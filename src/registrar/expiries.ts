import type { Clock } from '../clock.ts'
import { noPauses, type Pauses, pausedMs } from '../domain/pause.ts'
import { createHeap, type Timed } from '../heap.ts'

/** Names, each of which ends at a time of its own. */
export type Expiries = {
  /** From now on a name ends at this instant of the clock, in milliseconds; null: never. */
  set(name: string, at: number | null): void
  /** Ends what is due; returns when to look again, null when nothing ends. */
  runDue(): number | null
  close(): void
}

/** Not before this is looked again, so that many which end one by one do not wake the process for each. Milliseconds. */
const leastSleepMs = 100
/** So long names are ended before whatever else waits gets its turn of the event loop, in milliseconds. */
const turnMs = 5
/** Node.js fires a timer at once when it is set further ahead than this. Milliseconds. */
const mostSleepMs = 2 ** 31 - 1

/** How long requests that waited while this process did not run have to be read, in milliseconds. */
const readMs = 1000

type Expiry = Timed & { readonly name: string }

/**
 * Calls `end` with each name whose time has come, which is then set no longer. A pause of this process puts all ends off by as long,
 * because renewals could not be read meanwhile, and by a second in which they are. Keeps no process alive.
 */
export function createExpiries({
  clock,
  end,
  pauses = noPauses,
}: {
  clock: Clock
  end: (name: string) => void
  /** When this process did not run, as it is known at any time. */
  pauses?: Pauses
}): Expiries {
  const inOrder = createHeap<Expiry>()
  const byName = new Map<string, Expiry>()
  let timer: NodeJS.Timeout | undefined
  /** The end of the last pause that ends were put off by. */
  let putOffUntil = Number.NEGATIVE_INFINITY

  /** Puts all ends off by the pauses since this was called last. That leaves their order as it is. */
  function putOff(): void {
    const last = pauses.ofProcess.at(-1)
    if (last === undefined || last.to <= putOffUntil) return
    const ms = pausedMs(pauses.ofProcess, putOffUntil, last.to) + readMs
    putOffUntil = last.to
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
    putOff()
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
      // Whatever is set after a pause is not put off by it.
      putOff()
      const expiry = { name, dueAt: at, heapIndex: -1 }
      byName.set(name, expiry)
      inOrder.push(expiry)
      if (inOrder.peek() === expiry) arm(at)
    },
    runDue,
    close: () => clearTimeout(timer),
  }
}
