import type { Clock } from '../runtime/clock.ts'

/**
 * Calls `act` once `deadline` (an instant of the clock) has passed, after the event loop has polled the sockets. Returns a function that cancels
 * the call. The loop runs timers before it polls. So after a stall a bare timer would fire before the loop reads an answer that already waits in
 * the kernel. A busy Porthole would then report healthy targets as down.
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
