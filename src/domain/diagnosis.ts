import type { Outcome } from './outcome.ts'
import { formatAddress, type Target } from './target.ts'

/**
 * One sentence for people: what happened to a check, and what that usually means. It claims no more than the evidence shows:
 * without ICMP messages a firewall that refuses looks like a host that does.
 */
export function diagnose(outcome: Outcome, target: Target): string {
  const where = outcome.address ?? formatAddress(target.host, target.port)
  const spent = formatSpan(outcome.endedAt - outcome.startedAt)
  const code = outcome.code === null ? '' : ` (${outcome.code})`
  switch (outcome.reason) {
    case 'connected':
      return `connected in ${formatSpan(outcome.latencyMs ?? 0)}`
    case 'refused':
      return `refused in ${formatSpan(outcome.latencyMs ?? 0)}: nobody listens on ${where}, or a firewall rejects it`
    case 'rejected':
      return `a firewall rejects ${where}${code}`
    case 'timeout':
      return `no answer from ${where}${toSyns(outcome)} in ${spent}: the host is off, a firewall drops the packets, or the listener's queue is full`
    case 'unreachable':
      return `${where} cannot be reached${code}: ${obstacle(outcome.code)}`
    case 'reset':
      return `${where} accepted the connection and broke it off${code}`
    case 'mismatch':
      return `${where} answered something else than expected`
    case 'tls':
      return `the TLS handshake with ${where} failed${code}`
    case 'dns':
      return `the name ${target.host} does not exist, or has no address${code}`
    case 'local':
      return `could not be checked: ${ownFault(outcome, target, spent)}${code}`
  }
}

function toSyns({ synRetransmits }: Outcome): string {
  if (synRetransmits === null) return ''
  return synRetransmits === 0 ? ' to 1 SYN' : ` to ${synRetransmits + 1} SYNs`
}

function obstacle(code: string | null): string {
  switch (code) {
    case 'EHOSTUNREACH':
      return 'no host on its network has this address, or a router or firewall on the way turns the packets back'
    case 'ENETUNREACH':
      return 'a router on the way has no route to it'
    case 'EACCES':
      return 'a firewall on the way prohibits it'
    default:
      return 'a router, a firewall or the host itself turns the packets back'
  }
}

function ownFault({ address, code }: Outcome, target: Target, spent: string): string {
  if (address === null) {
    return code === null
      ? `no resolver answered for the name ${target.host} in ${spent}`
      : `the name ${target.host} could not be looked up`
  }
  switch (code) {
    case 'EMFILE':
    case 'ENFILE':
      return 'Porthole has no file descriptor left'
    case 'EADDRNOTAVAIL':
    case 'EADDRINUSE':
    case 'EAGAIN':
      return `Porthole has no local address or port left to dial ${address} from`
    case 'ENOMEM':
    case 'ENOBUFS':
      return 'Porthole has no memory left for a socket'
    case 'ENETUNREACH':
    case 'EHOSTUNREACH':
      return `this machine has no route to ${address}`
    case 'ENETDOWN':
      return `this machine's network toward ${address} is down`
    case 'EPERM':
    case 'EACCES':
      return `this machine's own rules forbid dialling ${address}`
    case 'EINVAL':
      return `this machine drops what is sent to ${address}, or cannot read the address`
    default:
      return `dialling ${address} failed on this machine`
  }
}

/** A time span for people: `0.21 ms`, `12 ms`, `2.0 s`. */
export function formatSpan(ms: number): string {
  if (ms < 9.995) return `${ms.toFixed(2)} ms`
  if (ms < 999.5) return `${Math.round(ms)} ms`
  return `${(ms / 1000).toFixed(1)} s`
}
