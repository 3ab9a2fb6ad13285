import { oneLostSynMs } from '../check/advice.ts'
import { type DialRules, whyDenied } from '../target/dial-rules.ts'
import { bitsOf } from '../target/ip-range.ts'
import { formatAddress, type Target } from '../target/target.ts'
import { isLinkLocal, needsInterface, zoneOf } from '../target/zone.ts'
import { formatDuration } from '../values/duration.ts'
import { adviseOnGroup, adviseOnName } from './name-advice.ts'
import type { PolicySettings } from './policy-settings.ts'
import type { RegistrationSettings } from './registration.ts'
import type { Service } from './service.ts'

/** Advice on a definition that is valid but will surprise its author. `fields` cause the surprise, the likeliest one to change first. */
export type PolicyAdvice = { readonly fields: readonly (keyof PolicySettings | 'targets')[]; readonly message: string }

/** Ports of MySQL and MariaDB, which count connections that end before login. */
const mysqlPorts = [3306, 3307]

/** Returns advice on a service. `own` are its own settings, without the defaults. */
export function adviceFor({ policy, targets }: Service, own: PolicySettings = {}): PolicyAdvice[] {
  const advice: PolicyAdvice[] = []
  const { intervalMs, timeoutMs, fastIntervalMs, close } = policy
  const [interval, timeout, fastInterval] = [intervalMs ?? 0, timeoutMs, fastIntervalMs].map(formatDuration)
  if (timeoutMs < oneLostSynMs) {
    advice.push({
      fields: ['timeout'],
      message: `a timeout of ${timeout} leaves no room for one lost packet, which Linux sends again after 1s: write 1100ms or more`,
    })
  }
  if (intervalMs !== null && timeoutMs > intervalMs) {
    advice.push({
      fields: ['timeout', 'interval'],
      message: `the timeout (${timeout}) is above the interval (${interval}), so slow checks skip the next one: write a timeout of at most ${interval}, or a longer interval`,
    })
  }
  if (intervalMs !== null && fastIntervalMs > intervalMs) {
    advice.push({
      fields: ['fastInterval', 'interval'],
      message: `fastInterval (${fastInterval}) is above the interval (${interval}), so changes are confirmed later, not sooner: write at most ${interval}`,
    })
  }
  for (const field of ['fastInterval', 'downInterval'] as const) {
    if (own.interval !== 'off' || own[field] === undefined) continue
    advice.push({ fields: [field], message: `${field} has no effect beside interval: off: remove one of them` })
  }
  if (close !== 'half-open' && targets.some((target) => mysqlPorts.includes(target.port))) {
    advice.push({
      fields: ['close'],
      message: `MySQL and MariaDB block a host after 100 connections that end before login (max_connect_errors): write close: half-open for ports ${mysqlPorts.join(' and ')}`,
    })
  }
  for (const target of targets) {
    const message = adviceOnAddress(target)
    if (message !== null) advice.push({ fields: ['targets'], message })
  }
  return advice
}

/** Returns advice on the literal address of a target; null when there is none, and for a host name. */
function adviceOnAddress({ name, host, port, address }: Target): string | null {
  if (address === null) return null
  if (isUnspecified(host)) {
    const loopback = formatAddress(/^[0:]+$/.test(host) ? '::1' : '127.0.0.1', port)
    return `${name}: ${host} is where programs listen, not where they are reached: write ${loopback} for this machine, or the address of another`
  }
  if (isLinkLocal(host) && zoneOf(host) === null) {
    return `${name}: ${needsInterface(address)}`
  }
  return null
}

/**
 * Returns the warnings for the client that registered a service, one sentence each: advice, targets that Porthole will not dial, and settings
 * that this version cannot read. Host names get no warning, because their addresses are known only when they are dialled.
 */
export function warningsOf(
  service: Service,
  rules: DialRules,
  own: PolicySettings & Pick<RegistrationSettings, 'ttl' | 'expireAfter'> = {},
): string[] {
  const undialled = service.targets.flatMap(({ host, address }) => {
    const rule = address === null ? null : rules.denial(host)
    return rule === null ? [] : [`${address} will not be dialled: ${whyDenied(rule)}`]
  })
  const unread = service.policy.unread.map(
    (name) => `this version of Porthole cannot read ${name}, so it leaves the checks to replicas that can: update it`,
  )
  const idle =
    own.expireAfter !== undefined && own.ttl === undefined
      ? ['expireAfter has no effect without ttl: write a ttl, or remove it']
      : []
  const onName = adviseOnName(service.name)
  return [
    ...(onName === null ? [] : [onName]),
    ...service.groups.flatMap((group) => adviseOnGroup(group) ?? []),
    ...adviceFor(service, own).map(({ message }) => message),
    ...idle,
    ...undialled,
    ...unread,
  ]
}

/**
 * Returns whether an IP is all zeros (RFC 1122 §3.2.1.3, RFC 4291 §2.5.2), in any spelling. The cheap pattern comes first, because a file may have
 * 100,000 targets.
 */
function isUnspecified(ip: string): boolean {
  return /^[0:.f]+$/i.test(ip) && bitsOf(ip)?.includes('1', 1) === false
}
