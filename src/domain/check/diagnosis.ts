import { whyDenied } from '../target/dial-rules.ts'
import { formatAddress, hostOf, type Target } from '../target/target.ts'
import { isLinkLocal, needsInterface, zoneOf } from '../target/zone.ts'
import { isResetAtOnce } from './advice.ts'
import type { IcmpError, Outcome } from './outcome.ts'

/**
 * Returns one sentence for people: the result of a check and its usual cause. The sentence claims no more than the evidence shows.
 * Without ICMP messages, for example, a firewall that refuses looks like a host that refuses.
 */
export function diagnose(outcome: Outcome, target: Target): string {
  const sentence = diagnoseAddress(outcome, target)
  return outcome.note === null ? sentence : `${sentence}; ${outcome.note}`
}

function diagnoseAddress(outcome: Outcome, target: Target): string {
  const where = outcome.address ?? formatAddress(target.host, target.port)
  const spent = formatSpan(outcome.endedAt - outcome.startedAt)
  const code = outcome.code === null ? '' : ` (${outcome.code})`
  switch (outcome.reason) {
    case 'connected':
      return `connected in ${formatSpan(outcome.latencyMs ?? 0)}${afterLoss(outcome)}${isResetAtOnce(outcome) ? `, and reset by the peer at once${code}` : ''}`
    case 'refused':
      return outcome.answer === 'rst'
        ? `nothing listens on ${where} (RST in ${formatSpan(outcome.latencyMs ?? 0)})`
        : `refused in ${formatSpan(outcome.latencyMs ?? 0)}: nothing listens on ${where}, or a firewall rejects it`
    case 'rejected':
      return outcome.icmp === null
        ? `a firewall rejects ${where}${code}`
        : `a firewall at ${outcome.icmp.from ?? 'an unknown address'} rejects ${where} (${nameIcmp(outcome.icmp)})`
    case 'timeout':
      return `no answer from ${where}${toSyns(outcome)} in ${spent}: a firewall drops the packets, no host has this address, ${outcome.answer === null ? 'the gateway is silent, ' : ''}or the listener's queue is full`
    case 'unreachable':
      return unreachable(outcome, where)
    case 'reset':
      return `${where} accepted the connection, then closed it${code}`
    case 'mismatch':
      return `${where} gave an unexpected answer`
    case 'tls':
      return `the TLS handshake with ${where} failed${code}`
    case 'dns':
      return `the name ${target.host} does not exist, or has no address${code}`
    case 'denied':
      return `${where} was not dialled: ${whyDenied(outcome.code ?? '')}`
    case 'expired':
      // No check ends like this. A report of an expired registration uses `explainExpiry`.
      return 'its registration has expired'
    case 'other':
      return `another replica, of a newer version, found "${outcome.code ?? ''}", which this version of Porthole does not know`
    case 'local':
      return outcome.answer === 'no-gateway'
        ? `could not be checked: ${silentGateway(outcome, target)}`
        : `could not be checked: ${ownFault(outcome, target, spent)}${code}`
  }
}

/** Returns how many SYNs were lost before the handshake, as the end of a sentence: `, after 1 lost SYN`. Empty when none was lost. */
export function afterLoss({ synRetransmits }: Outcome): string {
  if (synRetransmits === null || synRetransmits === 0) return ''
  return `, after ${synRetransmits} lost ${synRetransmits === 1 ? 'SYN' : 'SYNs'}`
}

function toSyns({ synRetransmits }: Outcome): string {
  if (synRetransmits === null) return ''
  return synRetransmits === 0 ? ' to 1 SYN' : ` to ${synRetransmits + 1} SYNs`
}

function unreachable({ answer, icmp, code, address }: Outcome, where: string): string {
  const protocol = neighbourProtocol(hostOf(address ?? ''))
  if (answer === 'no-neighbour') {
    return `${where} does not answer on its own network (no ${protocol} reply): the host is off, or no host has this address`
  }
  if (answer === 'no-next-hop') {
    return `${where}, or the gateway on the way to it, does not answer (no ${protocol} reply): the host is off, no host has this address, or the gateway is silent`
  }
  if (icmp !== null) return `${where} cannot be reached: ${icmp.from ?? 'a router'} says so (${nameIcmp(icmp)})`
  return `${where} cannot be reached${code === null ? '' : ` (${code})`}: ${obstacle(code)}`
}

/** Returns the protocol that finds the link address of an IP. Linux dials an IPv4-mapped address as IPv4. */
function neighbourProtocol(ip: string): string {
  return ip.includes(':') && !/^::ffff:/i.test(ip) ? 'neighbour discovery' : 'ARP'
}

function silentGateway({ address, code }: Outcome, { host }: Target): string {
  const gateway = code ?? ''
  const to = address === null ? host : hostOf(address)
  return `the gateway ${gateway} on the way to ${to} does not answer ${neighbourProtocol(gateway)}`
}

function obstacle(code: string | null): string {
  switch (code) {
    case 'EHOSTUNREACH':
      return 'the host is off or no host has this address, the gateway is silent, or a router or firewall on the way turns the packets back'
    case 'ENETUNREACH':
      return 'a router on the way has no route to it'
    case 'EACCES':
      return 'a firewall on the way prohibits it'
    default:
      return 'a router, a firewall or the host itself turns the packets back'
  }
}

/** The ICMP messages that a dial can get, by the names of RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1 and RFC 4443 §3.1. */
const icmpNames: Record<string, string> = {
  '4/3/0': 'network unreachable',
  '4/3/1': 'host unreachable',
  '4/3/2': 'protocol unreachable',
  '4/3/3': 'port unreachable',
  '4/3/9': 'network prohibited',
  '4/3/10': 'host prohibited',
  '4/3/13': 'administratively prohibited',
  '4/11/0': 'time to live exceeded',
  '6/1/0': 'no route',
  '6/1/1': 'administratively prohibited',
  '6/1/3': 'address unreachable',
  '6/1/4': 'port unreachable',
  '6/1/5': 'source address failed policy',
  '6/1/6': 'route rejected',
  '6/3/0': 'hop limit exceeded',
}

/** Returns the name of an ICMP message as its RFC writes it. */
export function nameIcmp({ version, type, code }: IcmpError): string {
  const name = icmpNames[`${version}/${type}/${code}`] ?? `type ${type} code ${code}`
  return `${version === 4 ? 'ICMP' : 'ICMPv6'} ${name}`
}

function ownFault({ address, code, icmp }: Outcome, target: Target, spent: string): string {
  if (address === null) {
    if (code === 'EQUEUED') {
      return `the look-up of ${target.host} waited too long behind slow look-ups of other names`
    }
    return code === null
      ? `no resolver answered for the name ${target.host} in ${spent}`
      : `the name ${target.host} could not be looked up`
  }
  if (icmp !== null) return `this machine's own firewall rejects ${address} with ${nameIcmp(icmp)}`
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
    case 'EWORKERDIED':
      return 'the prober died and was restarted'
    case 'EINVAL':
      return zoneFault(address) ?? `this machine drops packets to ${address}`
    case 'ENODEV':
      return isLinkLocal(hostOf(address)) ? `${zoneFault(address)}, or it is down` : dialFailed(address)
    default:
      return dialFailed(address)
  }
}

function dialFailed(address: string): string {
  return `dialling ${address} failed on this machine`
}

/** Returns the error in the zone of a link-local address as a phrase; null for any other address. */
function zoneFault(address: string): string | null {
  const ip = hostOf(address)
  if (!isLinkLocal(ip)) return null
  const zone = zoneOf(ip)
  return zone === null ? needsInterface(address) : `this machine has no interface ${zone}`
}

/** Writes a time span for people: `0.21 ms`, `12 ms`, `2.0 s`. */
export function formatSpan(ms: number): string {
  if (ms < 9.995) return `${ms.toFixed(2)} ms`
  if (ms < 999.5) return `${Math.round(ms)} ms`
  return `${(ms / 1000).toFixed(1)} s`
}
