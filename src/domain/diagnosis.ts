import type { Outcome } from './outcome.ts'
import { formatAddress, type Target } from './target.ts'

/** One sentence for people: what happened to a check, and what that usually means. */
export function diagnose(outcome: Outcome, target: Target): string {
  const where = outcome.address ?? formatAddress(target.host, target.port)
  const spent = formatSpan(outcome.endedAt - outcome.startedAt)
  const code = outcome.code === null ? '' : ` (${outcome.code})`
  switch (outcome.reason) {
    case 'connected':
      return `connected in ${formatSpan(outcome.latencyMs ?? 0)}`
    case 'refused':
      return `refused in ${spent}: nobody listens on ${where}, or a firewall rejects it`
    case 'rejected':
      return `a firewall rejects ${where}${code}`
    case 'timeout':
      return `no answer ${synCount(outcome)}in ${spent}: a firewall drops the packets, or nobody has ${where}`
    case 'unreachable':
      return `${where} cannot be reached${code}: no route to it, no host on its network answers for it, or a firewall prohibits it`
    case 'reset':
      return `${where} closed the connection${code} before it was established`
    case 'mismatch':
      return `${where} answered something else than expected`
    case 'tls':
      return `the TLS handshake with ${where} failed${code}`
    case 'dns':
      return `the name ${target.host} does not exist${code}`
    case 'local':
      return outcome.address === null
        ? unresolved(outcome, target, spent)
        : `not the target's fault: ${localFault(outcome.code)}${code}`
  }
}

function synCount(outcome: Outcome): string {
  if (outcome.synRetransmits === null) return ''
  return outcome.synRetransmits === 0 ? 'to 1 SYN ' : `to ${outcome.synRetransmits + 1} SYNs `
}

function unresolved(outcome: Outcome, target: Target, spent: string): string {
  if (outcome.code === null) return `not the target's fault: no resolver answered for ${target.host} in ${spent}`
  return `not the target's fault: the name ${target.host} could not be looked up (${outcome.code})`
}

function localFault(code: string | null): string {
  switch (code) {
    case 'EMFILE':
    case 'ENFILE':
      return 'Porthole has no file descriptor left'
    case 'EADDRNOTAVAIL':
    case 'EADDRINUSE':
      return 'Porthole has no local address or port left to dial from'
    case 'ENOMEM':
    case 'ENOBUFS':
      return 'Porthole has no memory left for a socket'
    case 'ENETUNREACH':
    case 'EHOSTUNREACH':
    case 'ENETDOWN':
      return 'this machine has no route there'
    case 'EPERM':
    case 'EACCES':
      return "this machine's own firewall forbids the dial"
    default:
      return 'the dial failed on this machine'
  }
}

/** A time span for people: `0.21 ms`, `12 ms`, `2.0 s`. */
export function formatSpan(ms: number): string {
  if (ms < 10) return `${ms.toFixed(2)} ms`
  if (ms < 1000) return `${Math.round(ms)} ms`
  return `${(ms / 1000).toFixed(1)} s`
}
