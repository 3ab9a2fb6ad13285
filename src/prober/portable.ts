import net, { type Socket } from 'node:net'
import type { Clock } from '../clock.ts'
import type { Reason } from '../domain/outcome.ts'
import type { Close } from '../domain/policy-settings.ts'
import { atDeadline } from './deadline.ts'
import { type Dial, type Dialler, type Ending, proberOf, roundLatency } from './dialler.ts'
import { codeOf, reasonOfDial } from './errno.ts'
import { withInterface } from './interface.ts'
import type { Prober } from './prober.ts'
import { createResolver, type Resolver } from './resolver.ts'

/** How a connection is opened: `net.connect`, or what a test puts in its place. */
export type Connect = (options: net.TcpNetConnectOpts) => Socket

export type PortableParts = {
  readonly clock: Clock
  /** Belongs to the prober from here on, and is closed with it. */
  readonly resolver?: Resolver
  readonly connect?: Connect
  readonly maxExtraDials?: number | undefined
}

/** How long a peer is given to answer our FIN with its own, in milliseconds. */
const graceMs = 250

/**
 * A prober for every platform, over `node:net`. It sees no SYN and no ICMP message: `synRetransmits` is null, a firewall that
 * answers looks like a host that does, and `half-open` ends with RST as the nearest thing.
 */
export function createPortableProber({
  clock,
  resolver = createResolver({ clock }),
  connect = net.connect,
  maxExtraDials,
}: PortableParts): Prober {
  const sockets = new Set<Socket>()

  function dial({ ip, port, deadline, close }: Dial, done: (ending: Ending | undefined) => void): Socket | null {
    const begunAt = clock.now()
    const ended = (reason: Reason, tookMs: number | null, code: string | null): Ending => {
      const latencyMs = tookMs === null ? null : roundLatency(tookMs)
      return { reason, endedAt: clock.now(), latencyMs, synRetransmits: null, answer: null, icmp: null, code }
    }
    let isOver = false
    const finish = (ending: Ending | undefined) => {
      if (isOver) return
      isOver = true
      callOff()
      done(ending)
    }
    const host = withInterface(ip)
    if (typeof host !== 'string') {
      queueMicrotask(() => done(ended('local', null, host.code)))
      return null
    }
    // One literal address, so no racing of families: Node would give each address but the last only 250 ms.
    let socket: Socket
    try {
      socket = connect({ host, port, autoSelectFamily: false })
    } catch (error) {
      queueMicrotask(() => done(ended('local', null, codeOf(error))))
      return null
    }
    // Node calls connect(2) in a tick of its own, queued by net.connect(). The tick queued next finds the socket destroyed
    // exactly when connect(2) itself failed: whatever comes by way of the network comes later, by way of the event loop.
    let atOnce = false
    process.nextTick(() => {
      atOnce = socket.destroyed
    })
    const callOff = atDeadline(clock, deadline, () => {
      finish(ended('timeout', null, null))
      socket.destroy()
    })
    sockets.add(socket)
    // Stays for good: an error after the check is over must find a listener. Only the first ending counts.
    socket.on('error', (error) => {
      const code = codeOf(error)
      const reason = reasonOfDial(code, atOnce)
      const isAnswered = reason === 'refused' || reason === 'connected'
      finish(ended(reason, isAnswered ? clock.now() - begunAt : null, code))
    })
    socket.once('connect', () => {
      const latencyMs = clock.now() - begunAt
      const alone = isSelf(socket, port)
      finish(alone ? ended('refused', latencyMs, 'ECONNREFUSED') : ended('connected', latencyMs, null))
      hangUp(socket, alone ? 'rst' : close)
    })
    socket.once('close', () => {
      sockets.delete(socket)
      finish(undefined)
    })
    return socket
  }

  const dialler: Dialler<Socket> = {
    name: 'portable',
    dial,
    cancel: (socket) => void socket.destroy(),
    restarts: () => 0,
    async close() {
      const gone = [...sockets].map((socket) => new Promise((done) => socket.once('close', done)))
      for (const socket of sockets) socket.destroy()
      await Promise.all(gone)
    },
  }
  return proberOf(dialler, { clock, resolver, maxExtraDials })
}

/**
 * Whether a connection leads to itself. Dialling a local port in the ephemeral range, the kernel may pick that very port to dial
 * from, and the SYN meets itself (simultaneous open, RFC 9293 §3.5). It never picks a port somebody is bound to, so nothing listens.
 */
function isSelf(socket: Socket, port: number): boolean {
  return socket.localPort === port && socket.localAddress === socket.remoteAddress
}

function hangUp(socket: Socket, close: Close): void {
  if (close !== 'fin') {
    socket.resetAndDestroy()
    return
  }
  // Closing with bytes unread makes the kernel send RST: read what the peer says, and wait a little for its FIN.
  const grace = setTimeout(() => socket.destroy(), graceMs)
  socket.once('close', () => clearTimeout(grace))
  socket.resume()
  socket.end()
}
