import { type Attempt, describeAttempt, outcomeOfAttempts } from '../domain/check/attempts.ts'
import { formatSpan } from '../domain/check/diagnosis.ts'
import { completedHandshake } from '../domain/check/outcome.ts'
import { orderDials } from '../domain/target/dial-order.ts'
import { formatAddress } from '../domain/target/target.ts'
import type { Clock } from '../runtime/clock.ts'
import { atDeadline } from './deadline.ts'
import type { CheckEnded, CheckRequest } from './prober.ts'

/** How long an address may be silent before the next one is dialled too, in milliseconds (RFC 8305 §5, Connection Attempt Delay). */
const attemptDelayMs = 250
/** How long the address that connected goes first, in milliseconds. After that the order of the system is tried again (RFC 6555 §4.2). */
const preferredMs = 10 * 60_000
/** The most targets that have a preferred address. */
const mostPreferred = 10_000

export type RaceParts<Handle> = {
  readonly clock: Clock
  /** Dials one address if the rules allow it, and calls back after it has returned. Returns a handle; null when there is nothing to cancel. */
  readonly dial: (
    ip: string,
    request: CheckRequest,
    startedAt: number,
    deadline: number,
    ended: CheckEnded,
  ) => Handle | null
  /** Closes the socket of a dial in flight. The race ignores its result if the dial still calls back. */
  readonly cancel: (handle: Handle) => void
  /**
   * The most extra dials of all races together. A dial is extra while another dial of its race is in flight. The limit of checks in flight does not
   * count its descriptor. With no room left, an address waits until the dials of its race have failed, or until there is room.
   */
  readonly maxExtraDials?: number | undefined
}

/** Code that checks a name with several addresses. */
export type Racer = {
  /**
   * Dials the addresses of a name (RFC 8305 §5). The next dial begins as soon as the one before has failed or was silent for 250 ms; earlier dials
   * continue. The first address that connects counts, and the other dials are closed. All dials end at the deadline of the check.
   */
  race(addresses: readonly string[], request: CheckRequest, startedAt: number, ended: CheckEnded): void
}

/** An address in a race. `attempt` is null while its dial is in flight. */
type Runner<Handle> = { readonly ip: string; readonly begunAt: number; handle: Handle | null; attempt: Attempt | null }

/** Creates a racer. It remembers the preferred addresses of at most 10,000 targets. */
export function createRacer<Handle>({
  clock,
  dial,
  cancel,
  maxExtraDials = Number.POSITIVE_INFINITY,
}: RaceParts<Handle>): Racer {
  let extraDials = 0
  /** The preferred address by target name, which connected although others go before it. `until` is an instant of the clock. */
  const preferred = new Map<string, { readonly ip: string; readonly until: number }>()

  function preferredOf(target: string): string | null {
    const known = preferred.get(target)
    if (known === undefined) return null
    if (clock.now() < known.until) return known.ip
    preferred.delete(target)
    return null
  }

  /** Makes an address go first. The time of a preferred address is not extended, because the first address of the system would then never be tried. */
  function prefer(target: string, ip: string): void {
    if (preferredOf(target) === ip) return
    preferred.delete(target)
    preferred.set(target, { ip, until: clock.now() + preferredMs })
    const [oldest] = preferred.keys()
    if (preferred.size > mostPreferred && oldest !== undefined) preferred.delete(oldest)
  }

  return {
    race(addresses, request, startedAt, ended) {
      const { target, timeoutMs, rules } = request
      const isDenied = (ip: string) => rules != null && rules.denial(ip) !== null
      const order = orderDials(addresses, preferredOf(target.name), isDenied)
      const deadline = startedAt + timeoutMs
      // With a short timeout the delay is shorter, so that every address gets its turn.
      const delayMs = Math.min(attemptDelayMs, (deadline - clock.now()) / (order.length + 1))
      const runners: Runner<Handle>[] = []
      let isOver = false
      let open = 0
      let stopWaiting = () => {}

      function begin(): void {
        stopWaiting()
        if (open > 0 && extraDials >= maxExtraDials) {
          stopWaiting = atDeadline(clock, clock.now() + delayMs, begin)
          return
        }
        if (open > 0) extraDials++
        open++
        const ip = order[runners.length] as string
        const runner: Runner<Handle> = { ip, begunAt: clock.now(), handle: null, attempt: null }
        runners.push(runner)
        runner.handle = dial(ip, request, runner.begunAt, deadline, (outcome) => handleOutcome(runner, outcome))
        if (runners.length < order.length) stopWaiting = atDeadline(clock, runner.begunAt + delayMs, begin)
      }

      function handleOutcome(runner: Runner<Handle>, outcome: Parameters<CheckEnded>[0]): void {
        if (isOver) return
        open--
        if (open > 0) extraDials--
        if (outcome === undefined) {
          finish(undefined)
          return
        }
        const attempt = { ...outcome, address: formatAddress(runner.ip, target.port) }
        runner.attempt = attempt
        if (completedHandshake(outcome.reason)) {
          if (runner.ip === addresses[0]) preferred.delete(target.name)
          else prefer(target.name, runner.ip)
          finish({ ...outcome, startedAt })
        } else if (hasNext() && (runner === runners.at(-1) || open === 0)) begin()
        else finishIfAllFailed()
      }

      /** Returns whether another address may be dialled. An address that waits for room until the deadline is not dialled. */
      const hasNext = () => runners.length < order.length && clock.now() < deadline

      function finishIfAllFailed(): void {
        const [first, ...rest] = runners.flatMap(({ attempt }) => attempt ?? [])
        if (hasNext() || open > 0 || first === undefined) return
        finish(outcomeOfAttempts([first, ...rest], startedAt))
      }

      function finish(outcome: Parameters<CheckEnded>[0]): void {
        isOver = true
        extraDials -= Math.max(0, open - 1)
        stopWaiting()
        for (const { handle, attempt } of runners) if (attempt === null && handle !== null) cancel(handle)
        if (request.onAddress !== undefined && outcome !== undefined) describeAddresses(request.onAddress)
        ended(outcome)
      }

      function describeAddresses(addLine: (line: string) => void): void {
        const endedAt = clock.now()
        for (const { ip, attempt, begunAt } of runners) {
          const address = formatAddress(ip, target.port)
          addLine(
            attempt
              ? describeAttempt(attempt)
              : `${address}: no answer in ${formatSpan(endedAt - begunAt)}, then another connected`,
          )
        }
        const dialled = new Set(runners.map(({ ip }) => ip))
        for (const ip of new Set([...order, ...addresses])) {
          if (!dialled.has(ip)) addLine(`${formatAddress(ip, target.port)}: not dialled`)
        }
      }

      begin()
    },
  }
}
