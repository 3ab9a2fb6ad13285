import type { Clock } from '../clock.ts'

/**
 * Calls `act` once `deadline` (an instant of the clock) has passed; returns what calls it off.
 * The event loop looks at timers before it looks at sockets. So after a stall a timer would beat an answer that has
 * been lying in the kernel all along, and a busy Porthole would call healthy targets down: let the sockets speak first.
 */
export function atDeadline(clock: Clock, deadline: number, act: () => void): () => void {
  let afterSockets: NodeJS.Immediate | undefined
  const timer = setTimeout(
    () => {
      afterSockets = setImmediate(act)
    },
    Math.max(0, deadline - clock.now()),
  )
  return () => {
    clearTimeout(timer)
    clearImmediate(afterSockets)
  }
}
