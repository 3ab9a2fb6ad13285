/** Several Porthole processes with one Redis, and the targets that they check. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import net, { type AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createFolder, start, until } from '../../support/process.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'

const PORTHOLE_TOKEN = 'a-token-of-the-fleet'
export const intervalMs = 1000
export const shutdownDelayMs = 100

/** A target that records when it was checked. */
export type CheckedTarget = {
  readonly service: string
  readonly port: number
  /** When it accepted connections, in milliseconds of the machine's clock. */
  readonly checks: number[]
  isOpen(): boolean
  close(): Promise<void>
  open(): Promise<void>
}

/** Listens on this number of ports of 127.0.0.1 or `host`. Each has a service: `s0`, `s1` and so on. */
export async function listenForChecks(t: TestContext, count: number, host = '127.0.0.1'): Promise<CheckedTarget[]> {
  const targets = await Promise.all(Array.from({ length: count }, (_, i) => listenForCheck(`s${i}`, host)))
  t.after(async () => {
    await Promise.all(targets.map(({ close }) => close()))
  })
  return targets
}

async function listenForCheck(service: string, host: string): Promise<CheckedTarget> {
  const checks: number[] = []
  const open = async (port: number) => {
    const server = net.createServer((socket) => {
      checks.push(Date.now())
      socket.on('error', () => undefined).resume()
    })
    server.listen(port, host)
    await once(server, 'listening')
    return server
  }
  let server = await open(0)
  const { port } = server.address() as AddressInfo
  return {
    service,
    port,
    checks,
    isOpen: () => server.listening,
    async close() {
      if (!server.listening) return
      server.close()
      await once(server, 'close')
    },
    async open() {
      server = await open(port)
    },
  }
}

export type Started = Awaited<ReturnType<typeof start>>
/** One Porthole process of the fleet. */
export type Member = Started & {
  /** Its configuration. */
  readonly file: string
  mode(): Promise<'linked' | 'solo' | 'joining'>
  shards(): Promise<number>
}

export type Fleet = {
  readonly redis: RedisServer
  readonly members: Member[]
  readonly targets: readonly CheckedTarget[]
  /** Starts one more replica, and waits until it is linked. */
  join(more?: Record<string, unknown>): Promise<Member>
  /** Returns the content of a configuration file of these targets. */
  config(more?: Record<string, unknown>): object
}

/** Starts replicas, and waits until they are linked and have checked everything once. All of them end after the test. */
export async function startFleet(
  t: TestContext,
  {
    host = '127.0.0.1',
    replicas = 3,
    services = 300,
    more = {},
  }: { host?: string; replicas?: number; services?: number; more?: Record<string, unknown> } = {},
): Promise<Fleet> {
  const [redis, targets] = await Promise.all([startRedis(t, [], host), listenForChecks(t, services, host)])
  const config = (other: Record<string, unknown> = {}) => ({
    shutdownDelay: `${shutdownDelayMs}ms`,
    dial: { loopback: true },
    replicas: { redis: redis.url },
    defaults: { interval: `${intervalMs}ms`, timeout: '900ms', close: 'rst' },
    services: Object.fromEntries(
      targets.map(({ service, port }) => [service, { targets: [`${host}:${port}`], groups: ['fleet'] }]),
    ),
    ...more,
    ...other,
  })
  const members: Member[] = []
  async function join(other?: Record<string, unknown>): Promise<Member> {
    const member = await startMember(t, config(other))
    members.push(member)
    return member
  }
  // Start them together, as a Deployment does.
  await Promise.all(Array.from({ length: replicas }, () => join()))
  await until('everything is up', async () => {
    const answers = await Promise.all(members.map(({ url }) => fetch(`${url}/health`)))
    return answers.every(({ status }) => status === 200)
  })
  return { redis, members, targets, join, config }
}

/** Starts one replica, and waits until it is solo, or is linked and has read the registry. */
export async function startMember(
  t: TestContext,
  config: object,
  env: Record<string, string> = {},
  by: string[] = [],
): Promise<Member> {
  const file = join(createFolder(t), 'porthole.json')
  writeFileSync(file, JSON.stringify(config))
  const started = await start(t, ['--config', file], { PORTHOLE_TOKEN, ...env }, by)
  const { msg } = await started.logged(/^(linked|solo): /)
  const isKnown = async () => (await started.metric('porthole_registry_known'))[''] === 1
  if (msg.startsWith('linked')) await until('it has read the registry', isKnown)
  return asMember(started, file)
}

function asMember(started: Started, file: string): Member {
  const read = async (name: string) => (await started.metric(name))['']
  return {
    ...started,
    file,
    async mode() {
      if ((await read('porthole_replica_solo')) === 1) return 'solo'
      const ready = await fetch(`${started.url}/readyz?verbose`)
      return (await ready.text()).includes('[+]replica ok') ? 'linked' : 'joining'
    },
    shards: async () => (await read('porthole_replica_shards')) ?? 0,
  }
}

/** Sends a request for a change. */
export function change(
  member: Started,
  method: string,
  path: string,
  body?: object,
  headers: Record<string, string> = {},
) {
  return fetch(`${member.url}/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${PORTHOLE_TOKEN}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
}

export type ReportedTransition = {
  readonly id: string
  readonly service: string
  readonly target: string | null
  readonly from: string
  readonly to: string
  readonly message: string
  readonly at: string
}

/** Returns all transitions that a replica reports, the oldest first. */
export async function transitionsOf({ url }: Started, query = ''): Promise<ReportedTransition[]> {
  const told: ReportedTransition[] = []
  for (let next: string | null = ''; next !== null; ) {
    const cursor: string = next === '' ? '' : `&cursor=${next}`
    const page = (await (await fetch(`${url}/v1/transitions?limit=1000${query}${cursor}`)).json()) as {
      transitions: ReportedTransition[]
      next: string | null
    }
    told.push(...page.transitions)
    next = page.next
  }
  return told.reverse()
}

/** Returns which replica checks each service, as `member` reports it. */
export async function checkersOf({ url }: Started): Promise<Map<string, { replica: string; solo: boolean } | null>> {
  const { services } = (await (await fetch(`${url}/health?verbose`)).json()) as {
    services: { service: string; checkedBy: { replica: string; solo: boolean } | null }[]
  }
  return new Map(services.map(({ service, checkedBy }) => [service, checkedBy]))
}

/** How long a status of these services is trusted, in seconds: three intervals, the timeout, and the hand-over time. */
const believedSeconds = (3 * intervalMs + 900 + 8000) / 1000

/**
 * Fails if the transitions differ. Their times may differ by up to a second, because each replica estimates how far the clock of Redis is ahead,
 * and estimates again.
 */
export function assertSameTransitions(
  actual: readonly ReportedTransition[],
  expected: readonly ReportedTransition[],
): void {
  assert.deepEqual(actual.map(withoutTime), expected.map(withoutTime))
  for (const [index, { at }] of actual.entries()) {
    const apartMs = Math.abs(Date.parse(at) - Date.parse(expected[index]?.at ?? ''))
    assert.ok(apartMs < 1000, `transition ${index} is at ${at}, and was at ${expected[index]?.at}`)
  }
}

/** Returns the transitions of a replica once none has come for a second. A status is visible at a replica before its transition arrives there. */
export async function finalTransitionsOf(member: Started): Promise<ReportedTransition[]> {
  let last = await transitionsOf(member)
  return until('no further transition comes', async () => {
    await sleep(1000)
    const before = last
    last = await transitionsOf(member)
    return last.length === before.length && last
  })
}

/**
 * Fails if replicas report different transitions, or a false one: a status other than up. A status of unknown is true if no check confirmed the
 * service for too long. Then a fault also hit the replica that took over after the first fault.
 */
export async function assertNoFalseTransition(
  members: readonly Started[],
  except: readonly string[] = [],
  mayBeStale = false,
): Promise<void> {
  const [first = [], ...others] = await Promise.all(members.map((member) => transitionsOf(member)))
  for (const other of others)
    assert.deepEqual(other.map(withoutTime), first.map(withoutTime), 'two replicas report different transitions')
  const last = new Map<string, string>()
  for (const told of first.filter(({ service }) => !except.includes(service))) {
    const { service, target, from, to, message } = told
    const what = JSON.stringify(told)
    const key = `${service} ${target}`
    assert.equal(from, last.get(key) ?? 'unknown', `${what} does not continue from the transition before`)
    assert.notEqual(from, to, what)
    last.set(key, to)
    if (to === 'up') continue
    const [, seconds = '0'] = /up when last confirmed ([\d.]+) s ago, which is too long ago/.exec(message) ?? []
    assert.ok(mayBeStale && to === 'unknown' && Number(seconds) >= believedSeconds, what)
  }
}

/**
 * Returns a transition without its time. Replicas agree on a time only as exactly as each aligned its clock with Redis, and a busy machine delays
 * that.
 */
function withoutTime({ at: _, ...told }: ReportedTransition): Omit<ReportedTransition, 'at'> {
  return told
}

/** Waits until each target is checked about once an interval. The rate is the average over three intervals, between `least` and `most`. */
export async function untilRate(targets: readonly CheckedTarget[], least: number, most: number): Promise<void> {
  await until(`each is checked ${least} to ${most} times an interval`, async () => {
    const from = Date.now()
    await sleep(3 * intervalMs)
    const rate = checksPerInterval(targets, from, Date.now())
    return rate >= least && rate <= most
  })
}

/** Returns the average rate of checks of a target between two times, in checks per interval. */
export function checksPerInterval(targets: readonly CheckedTarget[], from: number, to: number): number {
  const rates = targets.map(({ checks }) => checks.filter((at) => at >= from && at < to).length)
  return rates.reduce((sum, rate) => sum + rate, 0) / targets.length / ((to - from) / intervalMs)
}

/** Returns the longest time in milliseconds from `from` until a target was checked. */
export function longestUntilChecked(targets: readonly CheckedTarget[], from: number): number {
  return Math.max(...targets.map(({ checks }) => (checks.find((at) => at >= from) ?? Number.POSITIVE_INFINITY) - from))
}

/** A time when a target was not checked. */
export type Gap = { readonly service: string; readonly from: number; readonly ms: number }

/** Returns the longest gap of any target between two times. */
export function longestGap(targets: readonly CheckedTarget[], from: number, to: number): Gap {
  const gaps = targets.flatMap(({ service, checks }) => {
    const within = [from, ...checks.filter((at) => at >= from && at < to), to]
    return within
      .slice(1)
      .map((at, index): Gap => ({ service, from: within[index] ?? at, ms: at - (within[index] ?? at) }))
  })
  return gaps.reduce((longest, gap) => (gap.ms > longest.ms ? gap : longest))
}

/** An answer whose only problem is that services were not confirmed for longer than a status is trusted. */
const isStale = /"degraded":0,"down":0,.*"message":"up when last confirmed 1[1-9]\.\d s ago/

/** How late a timer of 50 ms is when the machine does not run, in milliseconds, and the sum of such delays that lets a status become stale. */
const stillMs = 250
const muchStillMs = 2000

/** The result of a watch over the health of all services. */
export type HealthWatch = {
  /** Ends the watch. Returns the text of all answers other than 200, except those that are true (see `mayBeStale`). */
  stop(): Promise<string[]>
  /**
   * Returns whether a status may have become stale: with `isFaulty`, or if the machine stood still for seconds during a take-over. Then unknown is
   * the true status.
   */
  mayBeStale(): boolean
}

/** Polls the health of all services at every replica. `isFaulty`: faults may also hit the replica that takes over after another fault. */
export function watchHealth(
  t: TestContext,
  members: () => readonly Started[],
  { path = '/health', isFaulty = false }: { path?: string; isFaulty?: boolean } = {},
): HealthWatch {
  const wrong: string[] = []
  let stoodStillMs = 0
  let isOver = false
  const mayBeStale = () => isFaulty || stoodStillMs > muchStillMs
  const targetsChanged = (async () => {
    while (!isOver) {
      for (const { url } of members()) {
        const answer = await fetch(url + path).catch(() => null)
        if (answer !== null && answer.status !== 200)
          wrong.push(`${answer.status} ${(await answer.text()).slice(0, 1500)}`)
      }
      const from = performance.now()
      await new Promise((resolve) => setTimeout(resolve, 50))
      const lateMs = performance.now() - from - 50
      if (lateMs > stillMs) stoodStillMs += lateMs
    }
  })()
  t.after(() => {
    isOver = true
  })
  return {
    async stop() {
      isOver = true
      await targetsChanged
      if (stoodStillMs > 0) t.diagnostic(`the machine stood still for ${Math.round(stoodStillMs)} ms`)
      return wrong.filter((answer) => !mayBeStale() || !isStale.test(answer))
    },
    mayBeStale,
  }
}
