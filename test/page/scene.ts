/** A simulated day of a small company's services, the same every time, with faults or without. Tests and pictures of the page use it. */

import type { Outcome, Reason } from '../../src/domain/check/outcome.ts'
import type { Service } from '../../src/domain/service/service.ts'
import type { Prober } from '../../src/prober/prober.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { type Built, build } from '../support/app.ts'
import type { Scope } from '../support/process.ts'
import { sampleOutcome, sampleService } from '../support/samples.ts'

const minuteMs = 60_000
const dayMs = 24 * 60 * minuteMs
const intervalMs = 10_000
/** The time at the end of the simulated day, in milliseconds since the epoch. */
export const lookedAt = Date.parse('2026-11-25T03:07:12Z')

/** The behaviour of a target: the outcome of a check `minutesAgo` minutes before the end of the day. */
type Role = (minutesAgo: number, random: () => number) => Partial<Outcome> & { reason: Reason }

const connected = (latencyMs: number, synRetransmits = 0) => ({
  reason: 'connected' as const,
  latencyMs,
  synRetransmits,
})
const steady =
  (ms: number): Role =>
  (_ago, random) =>
    connected(ms * (0.8 + random() * 0.5))
const refused: Role = () => ({ reason: 'refused', answer: 'rst', latencyMs: 0.21, code: 'ECONNREFUSED' })
const silent: Role = () => ({ reason: 'timeout', answer: 'nothing', latencyMs: null, synRetransmits: 1 })
/** Returns a behaviour that differs between two times, in minutes before the end of the day. */
const between =
  (from: number, to: number, other: Role, otherwise: Role): Role =>
  (ago, random) =>
    (ago <= from && ago >= to ? other : otherwise)(ago, random)
const lossy: Role = (_ago, random) =>
  random() < 0.12 ? connected(1021 + random() * 3, 1) : connected(11 + random() * 9)

type Cast = Record<string, { groups: string[]; quorum?: 'any'; targets: Record<string, Role> }>

const well: Cast = {
  'postgres-primary': { groups: ['storage', 'payments'], targets: { '10.0.4.11:5432': steady(0.21) } },
  'postgres-replicas': {
    groups: ['storage'],
    quorum: 'any',
    targets: { '10.0.4.12:5432': steady(0.24), '10.0.4.13:5432': steady(0.31) },
  },
  'redis-sessions': { groups: ['storage'], targets: { '10.0.4.21:6379': between(700, 690, refused, steady(0.12)) } },
  kafka: {
    groups: ['messaging'],
    targets: { '10.0.5.1:9092': steady(0.4), '10.0.5.2:9092': steady(0.5), '10.0.5.3:9092': steady(0.4) },
  },
  'smtp-relay': { groups: ['messaging'], targets: { '10.0.5.40:25': steady(3.1) } },
  'ldap-directory': { groups: ['platform'], targets: { '10.0.1.5:636': steady(1.2) } },
  'vault-api': { groups: ['platform'], targets: { '10.0.1.9:8200': between(300, 288, silent, steady(0.9)) } },
  'card-terminal-gateway': { groups: ['payments'], targets: { '10.0.7.2:4433': steady(18) } },
  'search-frontend': { groups: ['search'], targets: { '10.0.8.1:443': steady(0.7), '10.0.8.2:443': steady(0.8) } },
}

const ill: Cast = {
  'card-acquirer': { groups: ['payments'], targets: { '10.0.7.9:8583': between(12, 0, silent, lossy) } },
  'warehouse-queue': {
    groups: ['messaging'],
    targets: { '10.0.5.60:61616': between(150, 0, refused, between(900, 860, refused, steady(0.6))) },
  },
  elasticsearch: {
    groups: ['search'],
    quorum: 'any',
    targets: { '10.0.8.31:9200': steady(0.5), '10.0.8.32:9200': between(41, 0, refused, steady(0.6)) },
  },
  'partner-sftp': { groups: ['partners'], targets: { '10.0.9.20:22': lossy } },
}

/** Returns a generator of random numbers that are the same every time (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Builds Porthole's server at the end of the day. */
export async function stage(t: Scope, { allWell = false } = {}): Promise<Built> {
  const cast: Cast = allWell ? well : { ...well, ...ill }
  const services: Service[] = Object.entries(cast).map(([name, { groups, quorum, targets }]) =>
    sampleService(name, Object.keys(targets), { groups, quorum: quorum ?? 'all', interval: intervalMs, timeout: 2000 }),
  )
  if (!allWell) services.push(sampleService('report-archive', ['10.0.3.3:2049'], { interval: 'off' }))
  const roles = new Map(Object.values(cast).flatMap(({ targets }) => Object.entries(targets)))
  let instant = 0
  const clock = systemClock(
    () => instant,
    () => lookedAt - dayMs + instant,
    () => null,
  )
  const random = seeded(7)
  const prober: Prober = {
    name: 'portable',
    check({ target }, ended) {
      const role = roles.get(target.name) ?? refused
      const { reason, ...more } = role((dayMs - instant) / minuteMs, random)
      const startedAt = instant - (more.latencyMs ?? 2000)
      const outcome = sampleOutcome(reason, instant, { address: target.name, startedAt, ...more })
      queueMicrotask(() => ended(outcome))
    },
    restarts: () => 0,
    close: async () => {},
  }
  const built = await build(t, services, { clock, prober })
  const scheduled = services.filter(({ policy }) => policy.intervalMs !== null).map(({ name }) => name)
  for (; instant < dayMs; instant += intervalMs) await built.sweep(...scheduled)
  if (!allWell) built.registry.setDrained(['smtp-relay'], true)
  return built
}
