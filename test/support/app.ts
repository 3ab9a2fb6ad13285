import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import type { FastifyInstance, FastifyServerOptions, LightMyRequestResponse } from 'fastify'
import { buildApp } from '../../src/app.ts'
import { quorumsOf } from '../../src/config/groups.ts'
import type { Outcome } from '../../src/domain/check/outcome.ts'
import type { Limits } from '../../src/domain/service/limits.ts'
import type { Quorum } from '../../src/domain/service/quorum.ts'
import type { Service } from '../../src/domain/service/service.ts'
import type { DialSettings } from '../../src/domain/target/dial-settings.ts'
import type { LongAnswers } from '../../src/http/answers/long-answers.ts'
import type { Readiness } from '../../src/http/readiness.ts'
import type { AccessSettings } from '../../src/http/requests/access.ts'
import type { Metrics } from '../../src/metrics/metrics.ts'
import type { Monitor } from '../../src/monitor/monitor.ts'
import type { Registry } from '../../src/monitor/registry/registry.ts'
import type { RegistryLoad } from '../../src/monitor/registry/registry-load.ts'
import type { TargetState } from '../../src/monitor/state/state.ts'
import { createPortableProber } from '../../src/prober/portable.ts'
import type { Prober } from '../../src/prober/prober.ts'
import type { Registrar } from '../../src/registrar/registrar.ts'
import { type Clock, systemClock } from '../../src/runtime/clock.ts'
import type { TimeSlices } from '../../src/runtime/time-slices.ts'
import { createParts } from './parts.ts'
import type { Scope } from './process.ts'
import { sampleOutcome } from './samples.ts'

/** A target on which nothing listens: port 1 (tcpmux) is not in use. */
export const nobody = '127.0.0.1:1'

export type Built = {
  readonly app: FastifyInstance
  readonly monitor: Monitor
  readonly registry: Registry
  readonly readiness: Readiness
  readonly metrics: Metrics
  readonly clock: Clock
  /** Replaces all services by these. */
  put(services: readonly Service[]): void
  /** Checks every target of these services once, or of all services if none is named. */
  sweep(...services: string[]): Promise<void>
  target(service: string, index?: number): TargetState
  readonly registrar: Registrar
  /** Sends a request in memory, without a socket. */
  get(url: string, headers?: Record<string, string>): Promise<LightMyRequestResponse>
  /** Listens on a free port of 127.0.0.1. Returns the address, such as `http://127.0.0.1:41234`. */
  listen(): Promise<string>
}

type Options = {
  readonly groups?: Readonly<Record<string, { quorum?: Quorum | undefined }>>
  readonly prober?: Prober
  readonly clock?: Clock
  readonly access?: Partial<AccessSettings>
  readonly limits?: Partial<Limits>
  readonly load?: RegistryLoad
  readonly maxConnections?: number
  readonly hosts?: readonly string[] | null
  readonly dial?: DialSettings
  readonly logger?: FastifyServerOptions['logger']
  readonly slices?: TimeSlices
  readonly answers?: LongAnswers
}

/** Starts Porthole's HTTP server with parts of its own and no schedule. Tests say when to check. It closes itself after the test. */
export async function build(t: Scope, services: readonly Service[] = [], options: Options = {}): Promise<Built> {
  const {
    groups = {},
    clock = systemClock(),
    access = {},
    limits = {},
    dial,
    load,
    logger = false,
    maxConnections,
    hosts = null,
    slices,
    answers,
  } = options
  const prober = options.prober ?? createPortableProber({ clock })
  const parts = createParts({
    prober,
    clock,
    access,
    limits,
    hosts,
    ...(load === undefined ? {} : { load }),
    ...(slices === undefined ? {} : { slices }),
    ...(dial === undefined ? {} : { dial }),
    ...(maxConnections === undefined ? {} : { maxConnections }),
    ...(answers === undefined ? {} : { answers }),
  })
  const { monitor, registry, readiness, metrics } = parts
  const put = (next: readonly Service[]) => void registry.replaceAll(next, quorumsOf({ groups }))
  put(services)
  const app = await buildApp(parts, logger)
  t.after(async () => {
    await prober.close()
    await app.close()
  })
  return {
    app,
    monitor,
    registry,
    readiness,
    metrics,
    registrar: parts.registrar,
    clock,
    put,
    async sweep(...names) {
      const chosen = [...monitor.services.values()].filter(({ service }) => !names[0] || names.includes(service.name))
      await Promise.all(chosen.flatMap(({ targets }) => targets.map((state) => monitor.check(state))))
    },
    target(service, index = 0) {
      const state = monitor.services.get(service)?.targets[index]
      assert.ok(state, `${service} has a target ${index}`)
      return state
    },
    get: (url, headers = {}) => app.inject({ url, headers }),
    listen: () => app.listen({ host: '127.0.0.1', port: 0 }),
  }
}

/** A server that listens on 127.0.0.1. */
export type Listener = {
  /** `host:port`. */
  readonly target: string
  /** Returns the number of connections that it has accepted. */
  dials(): Promise<number>
  close(): Promise<void>
}

/** Listens on a free port until the end of the test. */
export async function listen(t: TestContext): Promise<Listener> {
  const peers = new Set<number | undefined>()
  const server = net.createServer((socket) => {
    peers.add(socket.remotePort)
    socket.on('error', () => undefined).resume()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const close = async () => {
    if (!server.listening) return
    server.close()
    await once(server, 'close')
  }
  t.after(close)
  return {
    target: `127.0.0.1:${port}`,
    async dials() {
      // Connections are accepted in the order in which they were made. When ours is accepted, all before it are.
      const socket = net.connect(port, '127.0.0.1')
      const accepted = once(server, 'connection')
      await Promise.all([once(socket, 'connect'), accepted])
      peers.delete(socket.localPort)
      socket.destroy()
      return peers.size
    },
    close,
  }
}

/** A clock that moves only when the test advances it. */
export function stoppedClock(): Clock & { advance(ms: number): void } {
  let instant = 5000
  const epochMs = Date.parse('2026-11-22T15:00:00.000Z')
  return {
    now: () => instant,
    toEpoch: (at) => epochMs + at,
    fromEpoch: (at) => at - epochMs,
    advance: (ms) => {
      instant += ms
    },
  }
}

/** A prober whose checks end when the test ends them. */
export type HeldProber = Prober & {
  /** Returns the number of checks under way. */
  held(): number
  /** Ends all checks under way. */
  answer(outcome?: Partial<Outcome>): void
}

export function holdChecks(clock: Clock): HeldProber {
  let waiting: ((outcome: Outcome | undefined) => void)[] = []
  const end = (outcome: Outcome | undefined) => {
    const ending = waiting
    waiting = []
    for (const done of ending) done(outcome)
  }
  return {
    name: 'portable',
    check: (_request, ended) => void waiting.push(ended),
    held: () => waiting.length,
    answer: (outcome = {}) => end(sampleOutcome(outcome.reason ?? 'connected', clock.now(), outcome)),
    restarts: () => 0,
    close: async () => end(undefined),
  }
}

/** Returns a target that never answers. It listens, its accept queue is full, and it accepts no connection. It ends after the test. */
export async function listenDeaf(t: TestContext): Promise<string> {
  const program = `
    const server = require('node:net').createServer()
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      require('node:fs').writeSync(1, String(server.address().port))
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000)
    })`
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  const gone = once(child, 'exit')
  const sockets: net.Socket[] = []
  t.after(async () => {
    for (const socket of sockets) socket.destroy()
    child.kill('SIGKILL')
    await gone
  })
  const [text] = (await once(child.stdout, 'data')) as [Buffer]
  const port = Number(text.toString())
  // A queue of n takes n + 1 connections. The kernel drops the SYN of the next one.
  for (let i = 0; i < 2; i++) {
    const socket = net.connect(port, '127.0.0.1').on('error', () => undefined)
    sockets.push(socket)
    await once(socket, 'connect')
  }
  return `127.0.0.1:${port}`
}
