import type { IcmpError } from '../../domain/check/outcome.ts'
import { createHeap, type Timed } from '../../runtime/heap.ts'
import { createQueue } from '../../runtime/queue.ts'
import { errnoName } from '../errno.ts'
import { createEpoll } from './epoll.ts'
import { createErrorQueue } from './error-queue.ts'
import {
  type Classification,
  classify,
  classifyNextHop,
  dependsOnNextHop,
  type Evidence,
  isAfterHandshake,
  isAnswer,
  isRoundTrip,
} from './evidence.ts'
import type { Libc } from './libc.ts'
import { createNextHops } from './next-hop.ts'
import type { Outbox } from './outbox.ts'
import { cancelled, type SlottedDial } from './records.ts'
import { ECONNREFUSED, type Sockets, TCP_CLOSE, TCP_SYN_SENT, type TcpInfo } from './sockets.ts'

const ETIME = 62
const ECANCELED = 125

/** The most dials that one turn begins, and sockets that it closes: one or two milliseconds of work, so that deadlines are handled in between. */
const callsPerTurn = 64
/** How long a check waits for the FIN of the peer after ours, in milliseconds. */
const graceMs = 250

/** A socket in use. `phase` is the event that it waits for until it is due: in the handshake until the deadline, then until the end of the grace. */
type Socket = Timed & {
  readonly fd: number
  readonly dial: SlottedDial
  readonly begunAt: number
  phase: 'handshake' | 'farewell'
  /** The last ICMP message about this socket that did not end its handshake. */
  icmp: IcmpError | null
}

/** The dial loop, which dials, waits for all sockets together, and reports the result of each dial. */
export type DialLoop = {
  /** Adds dials, which begin in the next turns. */
  add(dials: SlottedDial[]): void
  /** Begins waiting dials, waits for the next events or deadline, and handles them. Waits for at most `longestWaitMs` milliseconds. */
  turn(longestWaitMs: number): void
  /** Returns whether no dial waits or is in flight, and no result and no close is left for the next turn. */
  isIdle(): boolean
  close(): void
}

export type DialLoopParts = {
  readonly libc: Libc
  readonly sockets: Sockets
  readonly outbox: Outbox
  /** An eventfd that ends the wait of a turn. */
  readonly wakeFd: number
  readonly now: () => number
  /** Marks a descriptor as open or closed. If this thread dies, the main thread closes the open ones. */
  readonly mark: (fd: number, open: boolean) => void
}

/** Creates the loop and its epoll instance. Throws when the system refuses. */
export function createDialLoop({ libc, sockets, outbox, wakeFd, now, mark }: DialLoopParts): DialLoop {
  const epoll = createEpoll(libc)
  const errors = createErrorQueue(libc)
  const nextHops = createNextHops(libc, mark)
  /**
   * The sockets in use, by descriptor. An array, because a map with changing entries leaves old tables behind, and these keep the next table from
   * being collected as young garbage.
   */
  const open: (Socket | undefined)[] = []
  const timers = createHeap<Socket>()
  /** The dials that have not begun. */
  const waiting = createQueue<SlottedDial>()
  /** The descriptors of finished sockets. A close takes longer than the rest of a check, so it happens after the results are sent. */
  const ended: number[] = []
  /** When the last wait ended. The events that it returned happened before that instant. */
  let wokenAt = now()

  mark(epoll.fd, true)
  if (!epoll.add(wakeFd)) throw new Error(`epoll_ctl failed (${errnoName(libc.errno())})`)

  function beginSome(): void {
    for (let calls = 0; calls < callsPerTurn; calls++) {
      const dial = waiting.shift()
      if (dial === undefined) return
      begin(dial)
    }
  }

  function begin(dial: SlottedDial): void {
    const begunAt = now()
    if (begunAt >= dial.deadline) {
      if (dial.deadline === cancelled) {
        cancel(dial.slot)
        return
      }
      // The deadline passed while the dial waited here, which says nothing about the target.
      undialled(dial, ETIME, begunAt)
      return
    }
    const { fd, errno, isUsed } = sockets.begin(dial)
    if (fd < 0) {
      closeIdle()
      undialled(dial, errno, begunAt)
      return
    }
    const socket: Socket = { fd, dial, begunAt, dueAt: dial.deadline, heapIndex: -1, phase: 'handshake', icmp: null }
    open[fd] = socket
    if (!isUsed) {
      mark(fd, true)
      if (!epoll.add(fd)) {
        failed(socket, libc.errno(), true, sockets.readInfo(fd), now())
        return
      }
    }
    if (errno === null) timers.push(socket)
    else if (errno === 0) connected(socket, sockets.readInfo(fd), now())
    else failed(socket, errno, !isAnswer(errno), sockets.readInfo(fd), now())
  }

  /**
   * Closes the socket that dials for a slot and reports a result, which frees the slot. Earlier dials have begun, because a cancel waits in the same
   * queue. So if no socket dials for the slot, its result is already on its way. The search visits every socket, because cancels are rare.
   */
  function cancel(slot: number): void {
    const socket = open.find((candidate) => candidate?.phase === 'handshake' && candidate.dial.slot === slot)
    if (socket === undefined) return
    undialled(socket.dial, ECANCELED, now())
    shut(socket)
  }

  /** Reports the result of a dial that has no socket, or that was cancelled. */
  function undialled(dial: SlottedDial, errno: number | null, endedAt: number): void {
    const evidence = { errno, failedSynchronously: true, info: null, icmp: null, icmpFromSelf: false }
    reportResult(dial, evidence, classify(evidence), endedAt, null)
  }

  /** Reports a dial that connected. `reset` is the error with which the peer ended the connection at once; 0 when it did not. */
  function connected(socket: Socket, info: TcpInfo, endedAt: number, reset = 0): void {
    const { fd, dial } = socket
    // A handshake that needed a second SYN has no measured round trip (Karn's rule). Then the latency is the time that we waited.
    const latencyMs = info.rttMs > 0 && info.synRetransmits === 0 ? info.rttMs : endedAt - socket.begunAt
    const errno = sockets.isSelf(fd, dial) ? ECONNREFUSED : reset
    const evidence = { errno, failedSynchronously: false, info, icmp: null, icmpFromSelf: false }
    reportResult(dial, evidence, classify(evidence), endedAt, latencyMs)
    if (errno === 0 && dial.close === 'fin') sendFin(socket)
    else if (errno === 0 && socket.icmp === null && info.synRetransmits === 0 && sockets.keep(fd, dial)) leave(socket)
    else shut(socket)
  }

  /** Reports a dial that failed. `errno` is null when the deadline came first. */
  function failed(
    socket: Socket,
    errno: number | null,
    failedSynchronously: boolean,
    info: TcpInfo,
    endedAt: number,
  ): void {
    const { fd, dial } = socket
    if (isAfterHandshake(errno)) {
      connected(socket, info, endedAt, errno)
      return
    }
    // At a deadline the error queue is empty, because messages that did not end the handshake were read as they came.
    const icmp = (errno === null ? null : errors.takeIcmp(fd)) ?? socket.icmp
    // If this machine dials itself, a firewall that answers is that of the target.
    const icmpFromSelf = icmp !== null && sockets.isFromSelf(fd, dial, icmp.from)
    const evidence = { errno, failedSynchronously, info, icmp, icmpFromSelf }
    const classification = classify(evidence)
    const judged = dependsOnNextHop(evidence, classification)
      ? classifyNextHop(classification, nextHops.find(fd, dial))
      : classification
    reportResult(dial, evidence, judged, endedAt, endedAt - socket.begunAt)
    shut(socket)
  }

  function reportResult(
    { slot, urgent }: SlottedDial,
    { info, icmp }: Evidence,
    { reason, answer, errno, gateway = null }: Classification,
    endedAt: number,
    tookMs: number | null,
  ): void {
    const latencyMs = isRoundTrip(answer) ? tookMs : null
    const synRetransmits = info?.synRetransmits ?? null
    const kernelResult = { slot, reason, answer, errno, endedAt, latencyMs, synRetransmits, gateway }
    // An ICMP message about a silent gateway comes from this machine and adds nothing, so it is left out.
    outbox.add({ ...kernelResult, icmp: gateway === null ? icmp : null }, urgent)
  }

  /** Sends FIN and reads until the FIN of the peer, because a close with unread bytes makes the kernel send RST. */
  function sendFin(socket: Socket): void {
    timers.remove(socket)
    socket.phase = 'farewell'
    socket.dueAt = now() + graceMs
    sockets.finish(socket.fd)
    // Reads now, because epoll does not report again the bytes that arrived with the handshake.
    if (sockets.drain(socket.fd)) shut(socket)
    else timers.push(socket)
  }

  function leave(socket: Socket): void {
    timers.remove(socket)
    open[socket.fd] = undefined
  }

  function shut(socket: Socket): void {
    leave(socket)
    ended.push(socket.fd)
  }

  function close(fd: number): void {
    sockets.close(fd)
    mark(fd, false)
  }

  function closeSome(): void {
    for (const fd of ended.splice(-callsPerTurn)) close(fd)
  }

  /** Closes every descriptor that no dial uses now. */
  function closeIdle(): void {
    for (const fd of ended.splice(0)) close(fd)
    for (let fd = sockets.takeIdle(); fd !== undefined; fd = sockets.takeIdle()) close(fd)
  }

  /** Handles an event of a descriptor. An event of a kept socket only reports the end of its last association, and is ignored. */
  function handle(fd: number, mayBeError: boolean): void {
    const socket = open[fd]
    if (socket === undefined) return
    if (socket.phase === 'farewell') {
      if (sockets.drain(fd)) shut(socket)
      return
    }
    const info = sockets.readInfo(fd)
    const errno = mayBeError ? sockets.takeError(fd) : 0
    if (errno !== 0) failed(socket, errno, false, info, wokenAt)
    else if (info.state !== TCP_SYN_SENT) connected(socket, info, wokenAt)
    // An ICMP message that did not end the handshake. The kernel continues to send SYNs, so the check continues to wait.
    else socket.icmp = errors.takeIcmp(fd) ?? socket.icmp
  }

  /** Handles a deadline by the state that the kernel has then. So an answer that came in time counts even if this thread is late. */
  function expire(socket: Socket): void {
    if (socket.phase === 'farewell') {
      shut(socket)
      return
    }
    const info = sockets.readInfo(socket.fd)
    const errno = info.state === TCP_SYN_SENT ? 0 : sockets.takeError(socket.fd)
    if (errno !== 0) failed(socket, errno, false, info, now())
    else if (info.state === TCP_SYN_SENT || info.state === TCP_CLOSE) failed(socket, null, false, info, now())
    else connected(socket, info, now())
  }

  function waitMs(longestWaitMs: number): number {
    const instant = now()
    if (waiting.length > 0 || ended.length > 0 || outbox.isDue(instant)) return 0
    const next = Math.min(timers.peek()?.dueAt ?? Number.POSITIVE_INFINITY, outbox.dueAt())
    return Math.min(longestWaitMs, Math.max(0, Math.ceil(next - instant)))
  }

  return {
    add(dials) {
      outbox.flush()
      for (const dial of dials) waiting.push(dial)
    },
    turn(longestWaitMs) {
      beginSome()
      const events = epoll.wait(waitMs(longestWaitMs))
      wokenAt = now()
      for (let i = 0; i < events; i++) handle(epoll.fdOf(i), epoll.mayBeError(i))
      for (let next = timers.peek(); next !== undefined && next.dueAt <= now(); next = timers.peek()) expire(next)
      if (outbox.isDue(now())) outbox.flush()
      closeSome()
    },
    isIdle: () =>
      timers.peek() === undefined &&
      waiting.length === 0 &&
      ended.length === 0 &&
      outbox.dueAt() === Number.POSITIVE_INFINITY,
    close() {
      for (const socket of open) if (socket !== undefined) shut(socket)
      closeIdle()
      nextHops.close()
      libc.close(epoll.fd)
      mark(epoll.fd, false)
    },
  }
}
