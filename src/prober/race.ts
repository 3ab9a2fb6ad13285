import type { Clock } from '../clock.ts'
import { type Attempt, outcomeOfAttempts, tellAttempt } from '../domain/attempts.ts'
import { formatSpan } from '../domain/diagnosis.ts'
import { orderDials } from '../domain/dial-order.ts'
import { formatAddress } from '../domain/target.ts'
import { atDeadline } from './deadline.ts'
import type { CheckEnded, CheckRequest } from './prober.ts'

/** How long an address may be silent before the next is dialled beside it, in milliseconds (RFC 8305 §5, Connection Attempt Delay). */
const attemptDelayMs = 250
/** How long the address that connected goes first, in milliseconds: afterwards the system's order gets another chance (RFC 6555 §4.2). */
const preferredMs = 10 * 60_000
/** How many names have an address that goes first. */
const mostPreferred = 10_000

export type RaceParts<Handle> = {
  readonly clock: Clock
  /** Dials one address if the rules allow it. Returns its handle; null when there is nothing to cancel. Calls back after it has returned. */
  readonly dial: (
    ip: string,
    request: CheckRequest,
    startedAt: number,
    deadline: number,
    ended: CheckEnded,
  ) => Handle | null
  /** Closes the socket of a dial under way. What came of it is ignored, whether or not the dial still calls back. */
  readonly cancel: (handle: Handle) => void
  /**
   * How many dials may run beside the first one of their race, of all races together: each holds a descriptor that the bound on checks under way does
   * not count. Beyond that an address waits until one before it failed, or until there is room.
   */
  readonly maxExtraDials?: number | undefined
}

/** Checks a name that has several addresses. */
export type Racer = {
  /**
   * Dials the addresses of a name, the next as soon as the one before failed or was silent for 250 ms, and earlier ones go on
   * (RFC 8305 §5). The first that connects counts, and the others are closed. All end at the deadline of the check.
   */
  race(addresses: readonly string[], request: CheckRequest, startedAt: number, ended: CheckEnded): void
}

/** An address that is being dialled, or was. */
type Runner<Handle> = { readonly ip: string; readonly begunAt: number; handle: Handle | null; attempt: Attempt | null }

export function createRacer<Handle>({
  clock,
  dial,
  cancel,
  maxExtraDials = Number.POSITIVE_INFINITY,
}: RaceParts<Handle>): Racer {
  let extraDials = 0
  /** By target: the address that connected last though others go before it, and until when. */
  const preferred = new Map<string, { readonly ip: string; readonly until: number }>()

  function preferredOf(target: string): string | null {
    const known = preferred.get(target)
    if (known === undefined) return null
    if (clock.now() < known.until) return known.ip
    preferred.delete(target)
    return null
  }

  /** An address that is preferred already does not become so for longer: otherwise the system's first would never get its chance. */
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
      // Where the timeout is short, every address still gets its turn.
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
        runner.handle = dial(ip, request, runner.begunAt, deadline, (outcome) => take(runner, outcome))
        if (runners.length < order.length) stopWaiting = atDeadline(clock, runner.begunAt + delayMs, begin)
      }

      function take(runner: Runner<Handle>, outcome: Parameters<CheckEnded>[0]): void {
        if (isOver) return
        open--
        if (open > 0) extraDials--
        if (outcome === undefined) {
          finish(undefined)
          return
        }
        const attempt = { ...outcome, address: formatAddress(runner.ip, target.port) }
        runner.attempt = attempt
        if (outcome.reason === 'connected') {
          if (runner.ip === addresses[0]) preferred.delete(target.name)
          else prefer(target.name, runner.ip)
          finish({ ...outcome, startedAt })
        } else if (hasNext() && (runner === runners.at(-1) || open === 0)) begin()
        else finishIfAllFailed()
      }

      /** An address that had to wait for room until the deadline is not dialled. */
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
        if (request.tellAddress !== undefined && outcome !== undefined) tellAddresses(request.tellAddress)
        ended(outcome)
      }

      function tellAddresses(tell: (line: string) => void): void {
        const endedAt = clock.now()
        for (const { ip, attempt, begunAt } of runners) {
          const address = formatAddress(ip, target.port)
          tell(
            attempt
              ? tellAttempt(attempt)
              : `${address}: no answer in ${formatSpan(endedAt - begunAt)}, then another connected`,
          )
        }
        const dialled = new Set(runners.map(({ ip }) => ip))
        for (const ip of new Set([...order, ...addresses])) {
          if (!dialled.has(ip)) tell(`${formatAddress(ip, target.port)}: not dialled`)
        }
      }

      begin()
    },
  }
}
