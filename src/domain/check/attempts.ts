import { afterLoss, formatSpan, nameIcmp } from './diagnosis.ts'
import { isOwnFault, type Outcome, verdictOf } from './outcome.ts'

/** The dial of one of several addresses of a name. `startedAt` is when this dial began, `address` is the literal address. */
export type Attempt = Outcome & { readonly address: string }

/** Errors of connect(2) that mean this machine has no address or route of that family. */
const withoutRoute: ReadonlySet<string | null> = new Set([
  'ENETUNREACH',
  'EHOSTUNREACH',
  'EADDRNOTAVAIL',
  'EAFNOSUPPORT',
])

/**
 * Returns the outcome of a check that dialled several addresses of a name, none of which connected. If Porthole could not judge one of them,
 * the check is unknown, because a client may connect to that address. Otherwise the first attempt gives the reason. An address family without
 * a route from this machine does not count beside the other family, because no client on this machine would use it.
 * `startedAt` is when the check began.
 */
export function outcomeOfAttempts(attempts: readonly [Attempt, ...Attempt[]], startedAt: number): Outcome {
  const judged = attempts.filter((attempt) => !isOfMissingFamily(attempt, attempts))
  const base = judged.find(({ reason }) => verdictOf(reason) === 'unknown') ?? judged[0] ?? attempts[0]
  const others = attempts.filter((attempt) => attempt !== base).map(describeAttempt)
  const endedAt = Math.max(...attempts.map((attempt) => attempt.endedAt))
  return { ...base, startedAt, endedAt, note: others.length === 0 ? null : others.join('; ') }
}

function isOfMissingFamily(attempt: Attempt, attempts: readonly Attempt[]): boolean {
  return isWithoutRoute(attempt) && attempts.some(({ address }) => isIPv6(address) !== isIPv6(attempt.address))
}

function isWithoutRoute({ reason, answer, icmp, code }: Outcome): boolean {
  return isOwnFault(reason) && answer === null && icmp === null && withoutRoute.has(code)
}

function isIPv6(address: string): boolean {
  return address.startsWith('[')
}

/** Describes the result of an attempt: `127.0.0.1:5432: no answer in 2.0 s`. */
export function describeAttempt(attempt: Attempt): string {
  return `${attempt.address}: ${phraseOf(attempt)}`
}

function phraseOf(attempt: Attempt): string {
  const { reason, answer, icmp, latencyMs, startedAt, endedAt } = attempt
  const code = attempt.code === null ? '' : ` (${attempt.code})`
  const evidence = icmp === null ? code : ` (${nameIcmp(icmp)} from ${icmp.from ?? 'an unknown address'})`
  switch (reason) {
    case 'connected':
      return `connected in ${formatSpan(latencyMs ?? 0)}${afterLoss(attempt)}`
    case 'refused':
      return answer === 'rst'
        ? `nothing listens (RST in ${formatSpan(latencyMs ?? 0)})`
        : `refused in ${formatSpan(latencyMs ?? 0)}`
    case 'rejected':
      return `a firewall rejects it${evidence}`
    case 'timeout':
      return `no answer in ${formatSpan(endedAt - startedAt)}`
    case 'unreachable':
      if (answer === 'no-next-hop') return 'it, or the gateway on the way to it, does not answer'
      if (answer === 'no-neighbour') return 'no neighbour has this address'
      return `cannot be reached${evidence}`
    case 'reset':
      return `accepted the connection, then closed it${code}`
    case 'denied':
      return `was not dialled${code}`
    case 'local':
      if (answer === 'no-gateway') return `the gateway ${attempt.code} does not answer`
      return isWithoutRoute(attempt) ? `this machine has no route to it${code}` : `could not be dialled${evidence}`
    default:
      return `${reason}${code}`
  }
}
