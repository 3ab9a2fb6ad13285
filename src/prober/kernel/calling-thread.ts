import { readEphemeralPorts } from './ephemeral-ports.ts'
import type { Libc } from './libc.ts'
import { createDialLoop } from './loop.ts'
import { createOutbox } from './outbox.ts'
import { type Batch, createRecords } from './records.ts'
import type { RunningLoop } from './running-worker.ts'
import { createSockets } from './sockets.ts'

/**
 * The longest that a turn blocks the thread, in milliseconds. Look-ups, timers and signals wait that long while dials are in flight. The kernel
 * itself ends the wait when a dial has an answer, so the length of a turn does not change a latency.
 */
const longestTurnMs = 2

export type CallingThreadParts = {
  readonly libc: Libc
  readonly wakeFd: number
  /** The clock of the loop, in milliseconds. */
  readonly now: () => number
  readonly receive: (findings: Batch) => void
}

/**
 * Runs the dial loop on the calling thread, which saves the start and the memory of a second thread. A turn of the loop is a task of the event
 * loop. Turns follow one another only while dials are in flight. Use it for a command that does little else, because each turn blocks.
 */
export function runOnCallingThread({ libc, wakeFd, now, receive }: CallingThreadParts): RunningLoop {
  const records = createRecords(libc)
  const loop = createDialLoop({
    libc,
    sockets: createSockets(libc, readEphemeralPorts()),
    outbox: createOutbox(records, receive),
    wakeFd,
    now,
    // No other thread has to close the descriptors of this one.
    mark: () => {},
  })
  const exited = Promise.withResolvers<void>()
  let isOpen = true
  let scheduled: NodeJS.Immediate | null = null

  function turn(): void {
    scheduled = null
    loop.turn(longestTurnMs)
    schedule()
  }

  function schedule(): void {
    if (isOpen && scheduled === null && !loop.isIdle()) scheduled = setImmediate(turn)
  }

  return {
    exited: exited.promise,
    post(message) {
      if (message === 'close') {
        isOpen = false
        if (scheduled !== null) clearImmediate(scheduled)
        loop.close()
        exited.resolve()
      } else if (message !== 'ready') {
        loop.add(records.unpackDials(message))
        schedule()
      }
    },
  }
}
