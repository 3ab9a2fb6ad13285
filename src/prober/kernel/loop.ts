import type { IcmpError } from '../../domain/outcome.ts'
import { createHeap } from '../../heap.ts'
import { createEpoll, EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLONESHOT, EPOLLOUT, EPOLLRDHUP } from './epoll.ts'
import { type Evidence, errnoName, isRoundTrip, judge } from './evidence.ts'
import type { Libc } from './libc.ts'
import { createOutbox } from './outbox.ts'
import type { Batch, SlottedDial } from './records.ts'
import { ECONNREFUSED, isAnswer, type Sockets, TCP_ESTABLISHED, TCP_SYN_SENT, type TcpInfo } from './sockets.ts'

const ETIME = 62

/** How many dials one turn begins: a millisecond or two of work, so that deadlines are looked at in between. */
const dialsPerTurn = 64
/** How long a peer is given to answer our FIN with its own. */
const graceMs = 250
/** The longest one wait may last: only between waits does this thread notice that the process is about to exit, and the process waits for it. */
const longestWaitMs = 500
/** So many timers may be left behind by sockets that ended early. */
const idleTimers = 4096

/** A socket under way. `phase` is what it waits for. */
type Socket = SlottedDial & {
  readonly fd: number
  /** Told apart from an earlier socket of the same descriptor. */
  readonly serial: number
  readonly begunAt: number
  /** When `phase` is over: the deadline, then the end of the grace. */
  dueAt: number
  phase: 'handshake' | 'farewell' | 'closed'
  /** The last ICMP message about it that did not end its handshake. */
  icmp: IcmpError | null
}

type Timer = { readonly at: number; readonly socket: Socket }

/** Dials, waits for all of them together, and tells what came of each. */
export type DialLoop = {
  /** Takes dials in; they begin in the turns to come. */
  add(dials: Iterable<SlottedDial>): void
  /** Waits for the next thing to happen, and handles it. */
  turn(): void
  close(): void
}

export type DialLoopParts = {
  readonly libc: Libc
  readonly sockets: Sockets
  /** An eventfd that ends a turn's wait. */
  readonly wakeFd: number
  readonly now: () => number
  /** Ports the kernel dials from: a dial to one of them on this machine can meet itself. */
  readonly ephemeralPorts: readonly [number, number]
  /** Marks descriptors as open or not, for whoever has to clean up after this thread. */
  readonly mark: (fd: number, open: boolean) => void
  readonly send: (findings: Batch) => void
}

export function createDialLoop({ libc, sockets, wakeFd, now, ephemeralPorts, mark, send }: DialLoopParts): DialLoop {
  const epoll = createEpoll(libc)
  const outbox = createOutbox(send)
  const wakeCount = Buffer.from(new ArrayBuffer(8))
  const open = new Map<number, Socket>()
  let timers = createHeap<Timer>((timer) => timer.at)
  const waiting: SlottedDial[] = []
  let serials = 0
  let handshakes = 0

  mark(epoll.fd, true)
  if (!epoll.add(wakeFd, EPOLLIN, 0)) throw new Error(`epoll_ctl failed (${errnoName(libc.errno())})`)

  function begin(dial: SlottedDial): void {
    const begunAt = now()
    // Too late for a SYN: we kept it waiting, which says nothing of the target.
    const isLate = begunAt >= dial.deadline
    const { fd, errno, isUsed } = isLate
      ? { fd: -1, errno: ETIME, isUsed: false }
      : sockets.begin(dial.ip, dial.port, dial.close)
    if (fd < 0) {
      if (!isLate) shutIdle()
      tell(dial, withoutSocket(errno), null)
      return
    }
    mark(fd, true)
    serials = (serials + 1) >>> 0 || 1
    const socket: Socket = {
      ...dial,
      fd,
      serial: serials,
      begunAt,
      dueAt: dial.deadline,
      phase: 'handshake',
      icmp: null,
    }
    open.set(fd, socket)
    handshakes++
    if (errno === null) {
      const listen = isUsed ? epoll.change : epoll.add
      if (listen(fd, EPOLLOUT | EPOLLONESHOT, socket.serial)) timers.push({ at: socket.dueAt, socket })
      else failed(socket, libc.errno(), true, sockets.readInfo(fd))
    } else if (errno === 0) {
      connected(socket, sockets.readInfo(fd))
    } else {
      failed(socket, errno, !isAnswer(errno), sockets.readInfo(fd))
    }
  }

  function connected(socket: Socket, info: TcpInfo): void {
    // A handshake that needed a second SYN has no round trip of its own to show (Karn's rule): then it is what we waited.
    const latencyMs = info.rttMs > 0 && info.synRetransmits === 0 ? info.rttMs : now() - socket.begunAt
    const errno = isSelf(socket) ? ECONNREFUSED : 0
    conclude(socket, { errno, atOnce: false, info, icmp: null, icmpFromSelf: false }, latencyMs)
    if (errno === 0 && socket.close === 'fin') sayFarewell(socket)
    else if (errno === 0 && socket.icmp === null && info.synRetransmits === 0 && sockets.keep(socket.fd, socket.ip))
      leave(socket)
    else shut(socket)
  }

  /**
   * Simultaneous open (RFC 9293 §3.5): dialling a free port of its own range, the kernel may dial from that very port,
   * and the SYN meets itself. It never picks a port somebody is bound to, so nobody listens.
   */
  function isSelf({ fd, ip, port }: Socket): boolean {
    if (port < ephemeralPorts[0] || port > ephemeralPorts[1]) return false
    const local = sockets.localAddress(fd)
    return local !== null && local.port === port && local.ip === sockets.spell(ip)
  }

  function failed(socket: Socket, errno: number | null, atOnce: boolean, info: TcpInfo): void {
    // Where nothing ended the handshake, nothing is queued that was not taken as it came.
    const icmp = (errno === null ? null : sockets.takeIcmp(socket.fd)) ?? socket.icmp
    // Where this machine dials itself, the firewall it meets is the target's.
    const icmpFromSelf =
      icmp !== null && icmp.from !== sockets.spell(socket.ip) && icmp.from === sockets.localAddress(socket.fd)?.ip
    conclude(socket, { errno, atOnce, info, icmp, icmpFromSelf }, now() - socket.begunAt)
    shut(socket)
  }

  function conclude(socket: Socket, evidence: Evidence, tookMs: number): void {
    handshakes--
    tell(socket, evidence, tookMs)
  }

  function tell(dial: SlottedDial, evidence: Evidence, tookMs: number | null): void {
    const judgement = judge(evidence)
    const ending = {
      ...judgement,
      endedAt: now(),
      latencyMs: isRoundTrip(judgement.answer) ? tookMs : null,
      synRetransmits: evidence.info?.synRetransmits ?? null,
      icmp: evidence.icmp,
    }
    outbox.add({ slot: dial.slot, ending }, dial.urgent)
  }

  /** Closing with bytes unread makes the kernel send RST: read what the peer says, and wait a little for its FIN. */
  function sayFarewell(socket: Socket): void {
    socket.phase = 'farewell'
    sockets.finish(socket.fd)
    socket.dueAt = now() + graceMs
    timers.push({ at: socket.dueAt, socket })
    epoll.change(socket.fd, EPOLLIN | EPOLLRDHUP | EPOLLONESHOT, socket.serial)
  }

  function leave(socket: Socket): void {
    socket.phase = 'closed'
    open.delete(socket.fd)
  }

  function shut(socket: Socket): void {
    leave(socket)
    sockets.close(socket.fd)
    mark(socket.fd, false)
  }

  /** Gives back the descriptors that are only kept for the next dials. */
  function shutIdle(): void {
    for (let fd = sockets.takeIdle(); fd !== undefined; fd = sockets.takeIdle()) {
      sockets.close(fd)
      mark(fd, false)
    }
  }

  function handle(fd: number, serial: number, happened: number): void {
    const socket = open.get(fd)
    if (socket === undefined || socket.serial !== serial) return
    if (socket.phase === 'farewell') {
      if (sockets.drain(fd)) shut(socket)
      else epoll.change(fd, EPOLLIN | EPOLLRDHUP | EPOLLONESHOT, serial)
      return
    }
    const info = sockets.readInfo(fd)
    const errno = (happened & (EPOLLERR | EPOLLHUP)) === 0 ? 0 : sockets.takeError(fd)
    if (errno !== 0) failed(socket, errno, false, info)
    else if (info.state !== TCP_SYN_SENT) connected(socket, info)
    else {
      // An ICMP message that did not end the handshake: the kernel goes on sending SYNs, and we go on waiting. Left in its queue
      // the message would end every wait at once.
      socket.icmp = sockets.takeIcmp(fd) ?? socket.icmp
      epoll.change(fd, EPOLLOUT | EPOLLONESHOT, serial)
    }
  }

  /** What the kernel knows at the deadline decides: an answer that came in time is not lost because this thread was late to look. */
  function expire({ socket, at }: Timer): void {
    if (socket.phase === 'closed' || at < socket.dueAt) return
    if (socket.phase === 'farewell') {
      shut(socket)
      return
    }
    const info = sockets.readInfo(socket.fd)
    if (info.state === TCP_ESTABLISHED) connected(socket, info)
    else if (info.state === TCP_SYN_SENT) failed(socket, null, false, info)
    else failed(socket, sockets.takeError(socket.fd) || null, false, info)
  }

  /** A socket that ended before its time leaves its timer behind, until there are many of them. */
  function forgetIdleTimers(): void {
    if (timers.size <= idleTimers || timers.size <= 2 * open.size) return
    timers = createHeap<Timer>((timer) => timer.at)
    for (const socket of open.values()) timers.push({ at: socket.dueAt, socket })
  }

  function waitMs(): number {
    if (waiting.length > 0 || outbox.isDue(now(), handshakes === 0)) return 0
    const next = Math.min(timers.peek()?.at ?? Number.POSITIVE_INFINITY, outbox.dueAt())
    return Math.min(longestWaitMs, Math.max(0, Math.ceil(next - now())))
  }

  return {
    add(dials) {
      for (const dial of dials) waiting.push(dial)
    },
    turn() {
      for (const dial of waiting.splice(0, dialsPerTurn)) begin(dial)
      epoll.wait(waitMs(), (fd, serial, happened) => {
        if (fd === wakeFd) libc.read(wakeFd, wakeCount, 8)
        else handle(fd, serial, happened)
      })
      for (let next = timers.peek(); next !== undefined && next.at <= now(); next = timers.peek()) {
        timers.pop()
        expire(next)
      }
      forgetIdleTimers()
      if (outbox.isDue(now(), handshakes === 0)) outbox.flush()
    },
    close() {
      for (const socket of [...open.values()]) shut(socket)
      shutIdle()
      libc.close(epoll.fd)
      mark(epoll.fd, false)
    },
  }
}

/** The evidence of a dial that did not get as far as a socket. */
function withoutSocket(errno: number | null): Evidence {
  return { errno, atOnce: true, info: null, icmp: null, icmpFromSelf: false }
}
