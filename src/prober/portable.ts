import net, { type Socket } from 'node:net'
import { type Reason, wasAnswered } from '../domain/check/outcome.ts'
import type { Close } from '../domain/service/policy-settings.ts'
import type { Clock } from '../runtime/clock.ts'
import { atDeadline } from './deadline.ts'
import { type Dial, type Dialler, type DialResult, proberOf, roundLatency } from './dialler.ts'
import { codeOf, reasonOfDial } from './errno.ts'
import { withInterface } from './interface.ts'
import { createResolver, type Resolver } from './lookup/resolver.ts'
import type { Prober } from './prober.ts'

/** The function that opens a connection: `net.connect`, or a substitute in tests. */
export type Connect = (options: net.TcpNetConnectOpts) => Socket

export type PortableParts = {
  readonly clock: Clock
  /** The prober owns the resolver from here on, and closes it. */
  readonly resolver?: Resolver
  readonly connect?: Connect
  readonly maxExtraDials?: number | undefined
}

/** How long a check waits for the FIN of the peer after ours, in milliseconds. */
const graceMs = 250

/**
 * Creates the prober for every platform, over `node:net`. The sockets of Node.js show no SYN and no ICMP message. So `synRetransmits` is null, and
 * a firewall that answers looks like a host that answers. `half-open` checks end with RST, the closest mode that is possible.
 */
export function createPortableProber({
  clock,
  resolver = createResolver({ clock }),
  connect = net.connect,
  maxExtraDials,
}: PortableParts): Prober {
  const sockets = new Set<Socket>()

  function dial(
    { ip, port, deadline, close }: Dial,
    done: (dialResult: DialResult | undefined) => void,
  ): Socket | null {
    const begunAt = clock.now()
    const ended = (reason: Reason, tookMs: number | null, code: string | null): DialResult => {
      const latencyMs = tookMs === null ? null : roundLatency(tookMs)
      return { reason, endedAt: clock.now(), latencyMs, synRetransmits: null, answer: null, icmp: null, code }
    }
    let isOver = false
    const finish = (dialResult: DialResult | undefined) => {
      if (isOver) return
      isOver = true
      cancelDeadline()
      done(dialResult)
    }
    const host = withInterface(ip)
    if (typeof host !== 'string') {
      queueMicrotask(() => done(ended('local', null, host.code)))
      return null
    }
    // Dials one literal address without a race of families, because Node.js would give each address but the last only 250 ms.
    let socket: Socket
    try {
      socket = connect({ host, port, autoSelectFamily: false })
    } catch (error) {
      queueMicrotask(() => done(ended('local', null, codeOf(error))))
      return null
    }
    // Node.js calls connect(2) in a tick that net.connect() queued. In the tick after it, the socket is destroyed exactly if
    // connect(2) itself failed, because errors from the network arrive later, through the event loop.
    let failedSynchronously = false
    process.nextTick(() => {
      failedSynchronously = socket.destroyed
    })
    const cancelDeadline = atDeadline(clock, deadline, () => {
      finish(ended('timeout', null, null))
      socket.destroy()
    })
    sockets.add(socket)
    // The listener is never removed, because an error after the end of the check would otherwise crash the process. Only the first result counts.
    socket.on('error', (error) => {
      const code = codeOf(error)
      const reason = reasonOfDial(code, failedSynchronously)
      const isAnswered = wasAnswered(reason)
      finish(ended(reason, isAnswered ? clock.now() - begunAt : null, code))
    })
    socket.once('connect', () => {
      const latencyMs = clock.now() - begunAt
      const alone = isSelf(socket, port)
      finish(alone ? ended('refused', latencyMs, 'ECONNREFUSED') : ended('connected', latencyMs, null))
      closeSocket(socket, alone ? 'rst' : close)
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
 * Returns whether a connection leads to itself. If the dialled port is local and ephemeral, the kernel may pick the same port to dial from. The
 * SYN then meets itself (simultaneous open, RFC 9293 §3.5). The kernel never picks a port that is bound, so nothing listens there.
 */
function isSelf(socket: Socket, port: number): boolean {
  return socket.localPort === port && socket.localAddress === socket.remoteAddress
}

function closeSocket(socket: Socket, close: Close): void {
  if (close !== 'fin') {
    socket.resetAndDestroy()
    return
  }
  // Reads until the FIN of the peer, because a close with unread bytes makes the kernel send RST.
  const grace = setTimeout(() => socket.destroy(), graceMs)
  socket.once('close', () => clearTimeout(grace))
  socket.resume()
  socket.end()
}
