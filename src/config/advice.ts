import { oneLostSynMs } from '../domain/advice.ts'
import { formatDuration } from '../domain/duration.ts'
import type { PolicySettings, Service } from '../domain/service.ts'
import type { Finding } from './problem.ts'
import type { FileSettings } from './settings.ts'

type Field = keyof PolicySettings

const mysqlPorts = [3306, 3307]

/**
 * What works but will surprise. Each piece stands where the value that causes it is written; one that comes from
 * `defaults` is said once, not for every service that inherits it.
 */
export function advise(settings: FileSettings, services: readonly Service[]): Finding[] {
  const own = new Map(Object.entries(settings.services ?? {}))
  const advice = new Map<string, Finding>()
  for (const service of services) {
    const isWritten = (source: PolicySettings | undefined) => (field: Field) => source?.[field] !== undefined
    for (const { fields, message } of adviceFor(service, own.get(service.name))) {
      const ownField = fields.find(isWritten(own.get(service.name)))
      const defaultField = fields.find(isWritten(settings.defaults))
      const field = ownField ?? defaultField
      if (field === undefined) continue
      const path = ownField === undefined ? ['defaults', field] : ['services', service.name, field]
      const key = JSON.stringify([path, message])
      if (!advice.has(key)) advice.set(key, { path, part: 'value', message })
    }
  }
  return [...advice.values()]
}

/** `fields`: the ones that cause it, the likeliest to be changed first. */
function adviceFor(
  { policy, targets }: Service,
  own: PolicySettings | undefined,
): { readonly fields: readonly Field[]; readonly message: string }[] {
  const advice = []
  const { intervalMs, timeoutMs, fastIntervalMs, close } = policy
  const [interval, timeout, fastInterval] = [intervalMs ?? 0, timeoutMs, fastIntervalMs].map(formatDuration)
  if (timeoutMs < oneLostSynMs) {
    advice.push({
      fields: ['timeout'] as const,
      message: `a timeout of ${timeout} leaves no room for one lost packet, which Linux sends again after 1s: write 1100ms or more`,
    })
  }
  if (intervalMs !== null && timeoutMs > intervalMs) {
    advice.push({
      fields: ['timeout', 'interval'] as const,
      message: `the timeout (${timeout}) is above the interval (${interval}), so slow checks skip the next one: write a timeout of at most ${interval}, or a longer interval`,
    })
  }
  if (intervalMs !== null && fastIntervalMs > intervalMs) {
    advice.push({
      fields: ['fastInterval', 'interval'] as const,
      message: `fastInterval (${fastInterval}) is above the interval (${interval}), so changes are confirmed later, not sooner: write at most ${interval}`,
    })
  }
  for (const field of ['fastInterval', 'downInterval'] as const) {
    if (own?.interval !== 'off' || own[field] === undefined) continue
    advice.push({ fields: [field], message: `${field} has no effect beside interval: off: remove one of them` })
  }
  if (close !== 'half-open' && targets.some((target) => mysqlPorts.includes(target.port))) {
    advice.push({
      fields: ['close'] as const,
      message: `MySQL and MariaDB block a host after 100 connections that end before login (max_connect_errors): write close: half-open for ports ${mysqlPorts.join(' and ')}`,
    })
  }
  return advice
}
