import type { IcmpError } from '../../domain/outcome.ts'
import { createHeap } from '../../heap.ts'
import { epollEventSize } from './epoll-event.ts'
import { type Evidence, errnoName, isRoundTrip, judge } from './evidence.ts'
import type { Libc } from './libc.ts'
import { type Batch, packFinding, type SlottedDial } from './records.ts'
import { ECONNREFUSED, isAnswer, type Sockets, TCP_ESTABLISHED, TCP_SYN_SENT, type TcpInfo } from './sockets.ts'

const EINTR = 4
const ETIME = 62
// epoll.h
const EPOLL_CLOEXEC = 0o2000000
const EPOLL_CTL_ADD = 1
const EPOLL_CTL_MOD = 3
const EPOLLIN = 0x1
const EPOLLOUT = 0x4
const EPOLLERR = 0x8
const EPOLLHUP = 0x10
const EPOLLRDHUP = 0x2000
const EPOLLONESHOT = 1 << 30

/** How many events one call brings, and how many dials one turn begins: some three milliseconds' work, so that deadlines are looked at in between. */
const eventsPerTurn = 256
const dialsPerTurn = 64
/** How long findings that nobody waits for are held for company, and how many go at once. */
const holdMs = 20
const findingsPerBatch = 1024
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
  const stride = epollEventSize(process.arch)
  const dataAt = stride - 8
  const events = Buffer.from(new ArrayBuffer(stride * eventsPerTurn))
  const event = Buffer.from(new ArrayBuffer(stride))
  const wakeCount = Buffer.from(new ArrayBuffer(8))
  const open = new Map<number, Socket>()
  let timers = createHeap<Timer>((timer) => timer.at)
  const waiting: SlottedDial[] = []
  let findings: Batch = []
  let heldSince = 0
  let urgent = false
  let serials = 0
  let handshakes = 0

  const epoll = libc.epollCreate(EPOLL_CLOEXEC)
  if (epoll < 0) throw new Error(`epoll_create failed (${errnoName(libc.errno())})`)
  mark(epoll, true)
  if (!control(EPOLL_CTL_ADD, wakeFd, EPOLLIN, 0)) throw new Error(`epoll_ctl failed (${errnoName(libc.errno())})`)

  function control(operation: number, fd: number, interest: number, serial: number): boolean {
    event.writeUInt32LE(interest, 0)
    event.writeInt32LE(fd, dataAt)
    event.writeUInt32LE(serial, dataAt + 4)
    return libc.epollControl(epoll, operation, fd, event) === 0
  }

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
      if (!control(isUsed ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, EPOLLOUT | EPOLLONESHOT, socket.serial))
        failed(socket, libc.errno(), true, sockets.readInfo(fd))
      else timers.push({ at: socket.dueAt, socket })
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
    const endedAt = now()
    if (findings.length === 0) heldSince = endedAt
    packFinding(findings, {
      slot: dial.slot,
      ending: {
        ...judgement,
        endedAt,
        latencyMs: isRoundTrip(judgement.answer) ? tookMs : null,
        synRetransmits: evidence.info?.synRetransmits ?? null,
        icmp: evidence.icmp,
      },
    })
    urgent ||= dial.urgent
  }

  /** Closing with bytes unread makes the kernel send RST: read what the peer says, and wait a little for its FIN. */
  function sayFarewell(socket: Socket): void {
    socket.phase = 'farewell'
    sockets.finish(socket.fd)
    socket.dueAt = now() + graceMs
    timers.push({ at: socket.dueAt, socket })
    control(EPOLL_CTL_MOD, socket.fd, EPOLLIN | EPOLLRDHUP | EPOLLONESHOT, socket.serial)
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
      else control(EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLRDHUP | EPOLLONESHOT, serial)
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
      control(EPOLL_CTL_MOD, fd, EPOLLOUT | EPOLLONESHOT, serial)
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
    if (waiting.length > 0 || isFlushDue()) return 0
    const next = Math.min(
      timers.peek()?.at ?? Number.POSITIVE_INFINITY,
      findings.length === 0 ? Number.POSITIVE_INFINITY : heldSince + holdMs,
    )
    return Math.min(longestWaitMs, Math.max(0, Math.ceil(next - now())))
  }

  function isFlushDue(): boolean {
    if (findings.length === 0) return false
    return urgent || handshakes === 0 || findings.length >= findingsPerBatch || now() - heldSince >= holdMs
  }

  function flush(): void {
    if (!isFlushDue()) return
    const batch = findings
    findings = []
    urgent = false
    send(batch)
  }

  return {
    add(dials) {
      for (const dial of dials) waiting.push(dial)
    },
    turn() {
      for (const dial of waiting.splice(0, dialsPerTurn)) begin(dial)
      const count = libc.epollWait(epoll, events, eventsPerTurn, waitMs())
      if (count < 0 && libc.errno() !== EINTR) throw new Error(`epoll_wait failed (errno ${libc.errno()})`)
      for (let at = 0; at < count * stride; at += stride) {
        const fd = events.readInt32LE(at + dataAt)
        if (fd === wakeFd) libc.read(wakeFd, wakeCount, 8)
        else handle(fd, events.readUInt32LE(at + dataAt + 4), events.readUInt32LE(at))
      }
      for (let next = timers.peek(); next !== undefined && next.at <= now(); next = timers.peek()) {
        timers.pop()
        expire(next)
      }
      forgetIdleTimers()
      flush()
    },
    close() {
      for (const socket of [...open.values()]) shut(socket)
      shutIdle()
      libc.close(epoll)
      mark(epoll, false)
    },
  }
}

/** The evidence of a dial that did not get as far as a socket. */
function withoutSocket(errno: number | null): Evidence {
  return { errno, atOnce: true, info: null, icmp: null, icmpFromSelf: false }
}
