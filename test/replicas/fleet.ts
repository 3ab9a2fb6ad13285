/** Several Portholes with one Redis, as processes of their own, and what they check. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import net, { type AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createFolder, start, until } from '../process.ts'
import { type RedisServer, startRedis } from '../redis-server.ts'

const PORTHOLE_TOKEN = 'a-token-of-the-fleet'
export const intervalMs = 1000
export const shutdownDelayMs = 100

/** Something that is checked, and knows when it was. */
export type CheckedTarget = {
  readonly service: string
  readonly port: number
  /** When connections were made to it, in milliseconds of the machine's clock. */
  readonly checks: number[]
  isOpen(): boolean
  close(): Promise<void>
  open(): Promise<void>
}

/** Listens on so many ports of 127.0.0.1, or at `host`; for each a service `s0`, `s1` and so on. */
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
/** One Porthole of the fleet. */
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
  /** Starts one more, and waits until it is linked. */
  join(more?: Record<string, unknown>): Promise<Member>
  /** What a configuration file of these targets says. */
  config(more?: Record<string, unknown>): object
}

/** Starts replicas that are linked and have checked everything once. All are gone after the test. */
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
  // Together, as a Deployment starts them.
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

/** Asks for a change. */
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

export type Told = {
  readonly id: string
  readonly service: string
  readonly target: string | null
  readonly from: string
  readonly to: string
  readonly message: string
  readonly at: string
}

/** All that a replica tells of what happened, the oldest first. */
export async function transitionsOf({ url }: Started, query = ''): Promise<Told[]> {
  const told: Told[] = []
  for (let next: string | null = ''; next !== null; ) {
    const cursor: string = next === '' ? '' : `&cursor=${next}`
    const page = (await (await fetch(`${url}/v1/transitions?limit=1000${query}${cursor}`)).json()) as {
      transitions: Told[]
      next: string | null
    }
    told.push(...page.transitions)
    next = page.next
  }
  return told.reverse()
}

/** Who checks each service, as a replica says. */
export async function checkersOf({ url }: Started): Promise<Map<string, { replica: string; solo: boolean } | null>> {
  const { services } = (await (await fetch(`${url}/health?verbose`)).json()) as {
    services: { service: string; checkedBy: { replica: string; solo: boolean } | null }[]
  }
  return new Map(services.map(({ service, checkedBy }) => [service, checkedBy]))
}

/** For how long a health of these services is believed, in seconds: three intervals, the timeout, and what a handover takes. */
const believedSeconds = (3 * intervalMs + 900 + 8000) / 1000

/**
 * Fails unless all replicas tell the same, and nothing that was ever said is false: that a service is otherwise than up. That it is
 * unknown is true where nobody confirmed it for so long: one fault may have hit whoever took over after another.
 */
export async function assertNoFalseTransition(
  members: readonly Started[],
  except: readonly string[] = [],
  mayBeStale = false,
): Promise<void> {
  const [first = [], ...others] = await Promise.all(members.map((member) => transitionsOf(member)))
  for (const other of others)
    assert.deepEqual(other.map(withoutTime), first.map(withoutTime), 'two replicas tell otherwise of what happened')
  const last = new Map<string, string>()
  for (const told of first.filter(({ service }) => !except.includes(service))) {
    const { service, target, from, to, message } = told
    const what = JSON.stringify(told)
    const key = `${service} ${target}`
    assert.equal(from, last.get(key) ?? 'unknown', `${what} does not go on from what was told before`)
    assert.notEqual(from, to, what)
    last.set(key, to)
    if (to === 'up') continue
    const [, seconds = '0'] = /up when last confirmed ([\d.]+) s ago, which is too long ago/.exec(message) ?? []
    assert.ok(mayBeStale && to === 'unknown' && Number(seconds) >= believedSeconds, what)
  }
}

/** A transition but for its time: replicas agree on that as far as each could set its clock by that of Redis, which a busy machine delays. */
function withoutTime({ at: _, ...told }: Told): Omit<Told, 'at'> {
  return told
}

/** Waits until each target is checked about once an interval, seen over three of them: `least` and `most` times on average. */
export async function untilRate(targets: readonly CheckedTarget[], least: number, most: number): Promise<void> {
  await until(`each is checked ${least} to ${most} times an interval`, async () => {
    const from = Date.now()
    await sleep(3 * intervalMs)
    const rate = checksPerInterval(targets, from, Date.now())
    return rate >= least && rate <= most
  })
}

/** How often each target was checked between two times, over how often it should have been: the most of all. */
export function checksPerInterval(targets: readonly CheckedTarget[], from: number, to: number): number {
  const rates = targets.map(({ checks }) => checks.filter((at) => at >= from && at < to).length)
  return rates.reduce((sum, rate) => sum + rate, 0) / targets.length / ((to - from) / intervalMs)
}

/** How long after a time each target was first checked: the longest. */
export function longestUntilChecked(targets: readonly CheckedTarget[], from: number): number {
  return Math.max(...targets.map(({ checks }) => (checks.find((at) => at >= from) ?? Number.POSITIVE_INFINITY) - from))
}

/** A time when a target was not checked. */
export type Gap = { readonly service: string; readonly from: number; readonly ms: number }

/** The longest that any target went unchecked between two times. */
export function longestGap(targets: readonly CheckedTarget[], from: number, to: number): Gap {
  const gaps = targets.flatMap(({ service, checks }) => {
    const within = [from, ...checks.filter((at) => at >= from && at < to), to]
    return within
      .slice(1)
      .map((at, index): Gap => ({ service, from: within[index] ?? at, ms: at - (within[index] ?? at) }))
  })
  return gaps.reduce((longest, gap) => (gap.ms > longest.ms ? gap : longest))
}

/** An answer of which nothing is worse than that services were not confirmed for longer than they are believed. */
const isStale = /"degraded":0,"down":0,.*"message":"up when last confirmed 1[1-9]\.\d s ago/

/** How late a timer of 50 ms is when the machine does not run, in milliseconds; and how much of that lets a health go stale. */
const stillMs = 250
const muchStillMs = 2000

/** What a watch over the health of everything found. */
export type HealthWatch = {
  /** Ends it, if the test has not. Returns what was answered but 200, as text; not what was true: see `mayBeStale`. */
  stop(): Promise<string[]>
  /**
   * Whether a health may have gone stale: so it does where `isFaulty`, or when the machine itself stood still for seconds while a share
   * was to be taken over. That nobody knows is true then.
   */
  mayBeStale(): boolean
}

/** Asks for the health of everything all the time, at every replica. `isFaulty`: faults may hit whoever takes over after another. */
export function watchHealth(
  t: TestContext,
  members: () => readonly Started[],
  { path = '/health', isFaulty = false }: { path?: string; isFaulty?: boolean } = {},
): HealthWatch {
  const wrong: string[] = []
  let stoodStillMs = 0
  let isOver = false
  const mayBeStale = () => isFaulty || stoodStillMs > muchStillMs
  const watching = (async () => {
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
      await watching
      if (stoodStillMs > 0) t.diagnostic(`the machine stood still for ${Math.round(stoodStillMs)} ms`)
      return wrong.filter((answer) => !mayBeStale() || !isStale.test(answer))
    },
    mayBeStale,
  }
}
