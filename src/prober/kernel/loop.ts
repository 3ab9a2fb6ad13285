import type { IcmpError } from '../../domain/outcome.ts'
import { createHeap, type Timed } from '../../heap.ts'
import { createQueue } from '../../queue.ts'
import { errnoName } from '../errno.ts'
import { createEpoll } from './epoll.ts'
import { createErrorQueue } from './error-queue.ts'
import {
  dependsOnNextHop,
  type Evidence,
  isAfterHandshake,
  isAnswer,
  isRoundTrip,
  type Judgement,
  judge,
  judgeNextHop,
} from './evidence.ts'
import type { Libc } from './libc.ts'
import { createNextHops } from './next-hop.ts'
import type { Outbox } from './outbox.ts'
import { cancelled, type SlottedDial } from './records.ts'
import { ECONNREFUSED, type Sockets, TCP_CLOSE, TCP_SYN_SENT, type TcpInfo } from './sockets.ts'

const ETIME = 62
const ECANCELED = 125

/** How many dials one turn begins, and how many sockets it closes: a millisecond or two of work, so that deadlines are looked at in between. */
const callsPerTurn = 64
/** How long a peer is given to answer our FIN with its own. */
const graceMs = 250
/** The longest one wait may last: only between waits does this thread notice that the process is about to exit, and the process waits for it. */
const longestWaitMs = 500

/** A socket under way. `phase` is what it waits for, until it is due: the deadline, then the end of the grace. */
type Socket = Timed & {
  readonly fd: number
  readonly dial: SlottedDial
  readonly begunAt: number
  phase: 'handshake' | 'farewell'
  /** The last ICMP message about it that did not end its handshake. */
  icmp: IcmpError | null
}

/** Dials, waits for all of them together, and tells what came of each. */
export type DialLoop = {
  /** Takes dials in; they begin in the turns to come. */
  add(dials: SlottedDial[]): void
  /** Waits for the next thing to happen, and handles it. */
  turn(): void
  close(): void
}

export type DialLoopParts = {
  readonly libc: Libc
  readonly sockets: Sockets
  readonly outbox: Outbox
  /** An eventfd that ends a turn's wait. */
  readonly wakeFd: number
  readonly now: () => number
  /** Marks descriptors as open or not, for whoever has to clean up after this thread. */
  readonly mark: (fd: number, open: boolean) => void
}

export function createDialLoop({ libc, sockets, outbox, wakeFd, now, mark }: DialLoopParts): DialLoop {
  const epoll = createEpoll(libc)
  const errors = createErrorQueue(libc)
  const nextHops = createNextHops(libc, mark)
  /** By descriptor. No map: whenever entries come and go one leaves its table behind, which keeps the next from being collected as young garbage. */
  const open: (Socket | undefined)[] = []
  const timers = createHeap<Socket>()
  /** Dials that have not begun. */
  const waiting = createQueue<SlottedDial>()
  /** Descriptors of sockets that are done with. Closing takes longer than all the rest: it waits until everybody is told. */
  const ended: number[] = []
  /** When the last wait ended. What the kernel told of by then happened by then. */
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
      // Too late for a SYN: we kept it waiting, which says nothing of the target.
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
   * Closes the socket that dials for a slot, and says so, which frees the slot. Dials that came before have begun, because a cancel waits in
   * the same queue: where none dials for the slot, its finding is on its way. Looks at every socket, because cancels are rare and dials are not.
   */
  function cancel(slot: number): void {
    const socket = open.find((candidate) => candidate?.phase === 'handshake' && candidate.dial.slot === slot)
    if (socket === undefined) return
    undialled(socket.dial, ECANCELED, now())
    shut(socket)
  }

  /** Tells of a dial that has no socket, or not any more. */
  function undialled(dial: SlottedDial, errno: number | null, endedAt: number): void {
    const evidence = { errno, atOnce: true, info: null, icmp: null, icmpFromSelf: false }
    tell(dial, evidence, judge(evidence), endedAt, null)
  }

  /** `reset`: the error by which the peer ended the connection at once; 0 when it did not. */
  function connected(socket: Socket, info: TcpInfo, endedAt: number, reset = 0): void {
    const { fd, dial } = socket
    // A handshake that needed a second SYN has no round trip of its own to show (Karn's rule): then it is what we waited.
    const latencyMs = info.rttMs > 0 && info.synRetransmits === 0 ? info.rttMs : endedAt - socket.begunAt
    const errno = sockets.isSelf(fd, dial) ? ECONNREFUSED : reset
    const evidence = { errno, atOnce: false, info, icmp: null, icmpFromSelf: false }
    tell(dial, evidence, judge(evidence), endedAt, latencyMs)
    if (errno === 0 && dial.close === 'fin') sayFarewell(socket)
    else if (errno === 0 && socket.icmp === null && info.synRetransmits === 0 && sockets.keep(fd, dial)) leave(socket)
    else shut(socket)
  }

  /** `errno` null: the deadline came first. */
  function failed(socket: Socket, errno: number | null, atOnce: boolean, info: TcpInfo, endedAt: number): void {
    const { fd, dial } = socket
    if (isAfterHandshake(errno)) {
      connected(socket, info, endedAt, errno)
      return
    }
    // Where nothing ended the handshake, nothing is queued that was not taken as it came.
    const icmp = (errno === null ? null : errors.takeIcmp(fd)) ?? socket.icmp
    // Where this machine dials itself, the firewall it meets is the target's.
    const icmpFromSelf = icmp !== null && sockets.isFromSelf(fd, dial, icmp.from)
    const evidence = { errno, atOnce, info, icmp, icmpFromSelf }
    const judgement = judge(evidence)
    const judged = dependsOnNextHop(evidence, judgement) ? judgeNextHop(judgement, nextHops.find(fd, dial)) : judgement
    tell(dial, evidence, judged, endedAt, endedAt - socket.begunAt)
    shut(socket)
  }

  function tell(
    { slot, urgent }: SlottedDial,
    { info, icmp }: Evidence,
    { reason, answer, errno, gateway = null }: Judgement,
    endedAt: number,
    tookMs: number | null,
  ): void {
    const latencyMs = isRoundTrip(answer) ? tookMs : null
    const synRetransmits = info?.synRetransmits ?? null
    const finding = { slot, reason, answer, errno, endedAt, latencyMs, synRetransmits, gateway }
    // An ICMP message about a silent gateway comes from this machine, and says no more than that.
    outbox.add({ ...finding, icmp: gateway === null ? icmp : null }, urgent)
  }

  /** Closing with bytes unread makes the kernel send RST: read what the peer says, and wait a little for its FIN. */
  function sayFarewell(socket: Socket): void {
    timers.remove(socket)
    socket.phase = 'farewell'
    socket.dueAt = now() + graceMs
    sockets.finish(socket.fd)
    // What came along with the handshake is not told of again.
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

  /** Gives back the descriptors nobody dials with now. */
  function closeIdle(): void {
    for (const fd of ended.splice(0)) close(fd)
    for (let fd = sockets.takeIdle(); fd !== undefined; fd = sockets.takeIdle()) close(fd)
  }

  /** Something happened to a descriptor. If it is kept for the next dial, its last association was dissolved, and that is all. */
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
    // An ICMP message that did not end the handshake: the kernel goes on sending SYNs, and we go on waiting.
    else socket.icmp = errors.takeIcmp(fd) ?? socket.icmp
  }

  /** What the kernel knows at the deadline decides: an answer that came in time is not lost because this thread was late to look. */
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

  function waitMs(): number {
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
    turn() {
      beginSome()
      const events = epoll.wait(waitMs())
      wokenAt = now()
      for (let i = 0; i < events; i++) handle(epoll.fdOf(i), epoll.mayBeError(i))
      for (let next = timers.peek(); next !== undefined && next.dueAt <= now(); next = timers.peek()) expire(next)
      if (outbox.isDue(now())) outbox.flush()
      closeSome()
    },
    close() {
      for (const socket of open) if (socket !== undefined) shut(socket)
      closeIdle()
      nextHops.close()
      libc.close(epoll.fd)
      mark(epoll.fd, false)
    },
  }
}
