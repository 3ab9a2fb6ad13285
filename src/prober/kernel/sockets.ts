import type { Close } from '../../domain/policy-settings.ts'
import { RECVERR } from './error-queue.ts'
import type { Libc, Memory } from './libc.ts'
import type { SlottedDial } from './records.ts'
import { AF_INET, AF_INET6, allocateAddress, copyWords, familyOf, portOf, readAddress } from './sockaddr.ts'

// socket.h, tcp.h, in.h, in6.h: the same numbers on x86_64 and arm64.
const SOCK_STREAM = 1
const SOCK_NONBLOCK = 0o4000
const SOCK_CLOEXEC = 0o2000000
const SOL_SOCKET = 1
const SO_ERROR = 4
const SO_LINGER = 13
const IPPROTO_TCP = 6
const TCP_DEFER_ACCEPT = 9
const TCP_INFO = 11
const SHUT_WR = 1
const sizeOfAddress = { [AF_INET]: 16, [AF_INET6]: 28 }
const EAGAIN = 11
export const ECONNREFUSED = 111
const EINPROGRESS = 115

/** tcp_states.h */
export const TCP_SYN_SENT = 2
export const TCP_CLOSE = 7

/** The part of `struct tcp_info` that tells of a handshake. */
export type TcpInfo = {
  readonly state: number
  readonly rttMs: number
  /** How often in a row the retransmission timer ran out. */
  readonly timeouts: number
  /** SYNs sent again, whether or not they got out. */
  readonly synRetransmits: number
  /** Of these, the ones that got out and are not answered. */
  readonly retransmitsOut: number
  /** How many bytes the peer lets us send; null before Linux 5.4, which does not tell. */
  readonly window: number | null
}

/** How a dial began: its descriptor, or the error that kept it from beginning. `errno` 0: connected already; null: under way. `isUsed`: the socket dialled before. */
export type Begun = { readonly fd: number; readonly errno: number | null; readonly isUsed: boolean }

/** The part of `struct tcp_info` up to `tcpi_snd_wnd`. */
const infoLength = 232
/** So many sockets are kept to dial again. */
const mostIdle = 256
/** So much is read, in portions of 64 KiB, of a peer that sends as fast as it is read: the other checks must not wait for its end. */
const mostPortions = 16

/** The calls of one check, over memory that is laid out once. */
export type Sockets = ReturnType<typeof createSockets>

/** `ephemeralPorts` are the first and the last port the kernel dials from. */
export function createSockets(libc: Libc, ephemeralPorts: readonly [number, number]) {
  const peer = allocateAddress(libc)
  const local = allocateAddress(libc)
  const info = libc.allocate(infoLength)
  const discarded = libc.allocate(65_536)
  const length = libc.allocate(4)
  /** A `struct sockaddr` of no family: connecting to it dissolves the association a socket has (connect(2)). */
  const nobody = libc.allocate(16)
  /** IPv4 sockets without an association. Which way they end is set once. */
  const idle = { 'half-open': [] as number[], rst: [] as number[] }
  const integer = libc.allocate(4)
  const one = libc.allocate(4)
  one.words[0] = 1
  /** `{ l_onoff: 1, l_linger: 0 }`: close sends RST, so no TIME_WAIT is left and no port used up. */
  const lingerNone = libc.allocate(8)
  lingerNone.words[0] = 1

  function setOption(fd: number, level: number, option: number, value: Memory, size = 4): void {
    libc.setsockopt(fd, level, option, value.address, size)
  }

  function open(family: typeof AF_INET | typeof AF_INET6, close: Close): number {
    const fd = libc.socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    if (fd < 0) return fd
    if (close !== 'fin') setOption(fd, SOL_SOCKET, SO_LINGER, lingerNone, 8)
    // On the dialling side it holds back the ACK that would complete the handshake (tcp_rcv_synsent_state_process), so that the
    // end answers the SYN-ACK with RST. TCP_QUICKACK does so too, but would have to be set anew for every dial.
    if (close === 'half-open') setOption(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, one)
    setOption(fd, RECVERR[family].level, RECVERR[family].option, one)
    return fd
  }

  /** The address and port a socket dials from. */
  function localAddress(fd: number): { readonly ip: string; readonly port: number } | null {
    length.words[0] = local.bytes.length
    return libc.getsockname(fd, local.address, length.address) === 0 ? readAddress(libc, local) : null
  }

  return {
    /** Opens a non-blocking socket, or takes one that dialled before, and sends the SYN. */
    begin({ batch, at, close }: SlottedDial): Begun {
      copyWords(batch, at, peer.words)
      const family = familyOf(peer.words[0] ?? 0)
      const used = family === AF_INET && close !== 'fin' ? idle[close].pop() : undefined
      const isUsed = used !== undefined
      const fd = used ?? open(family, close)
      if (fd < 0) return { fd, errno: libc.errno(), isUsed }
      if (libc.connect(fd, peer.address, sizeOfAddress[family]) === 0) return { fd, errno: 0, isUsed }
      const errno = libc.errno()
      return { fd, errno: errno === EINPROGRESS ? null : errno, isUsed }
    },

    /**
     * Ends a connection with RST, as close does without lingering, and keeps the socket to dial again: a third cheaper than a new one.
     * IPv4 only, since a zone or a mapped address leaves its traces in an IPv6 socket. False: it was not kept, so close it.
     */
    keep(fd: number, { batch, at, close }: SlottedDial): boolean {
      if (close === 'fin' || idle[close].length >= mostIdle || familyOf(batch[at] ?? 0) !== AF_INET) return false
      if (libc.connect(fd, nobody.address, nobody.bytes.length) !== 0) return false
      idle[close].push(fd)
      return true
    },

    /** Takes out a socket that was kept, so that it can be closed; undefined when there is none. */
    takeIdle(): number | undefined {
      return idle['half-open'].pop() ?? idle.rst.pop()
    },

    /** The error a socket holds, which this clears; 0 when there is none. */
    takeError(fd: number): number {
      length.words[0] = 4
      libc.getsockopt(fd, SOL_SOCKET, SO_ERROR, integer.address, length.address)
      return integer.words[0] ?? 0
    },

    /** What TCP knows of a socket (`struct tcp_info` in tcp.h: state, retransmits, retrans, rtt in µs, total_retrans, snd_wnd). */
    readInfo(fd: number): TcpInfo {
      length.words[0] = info.bytes.length
      libc.getsockopt(fd, IPPROTO_TCP, TCP_INFO, info.address, length.address)
      return {
        state: info.bytes[0] ?? 0,
        timeouts: info.bytes[2] ?? 0,
        retransmitsOut: info.words[9] ?? 0,
        rttMs: (info.words[17] ?? 0) / 1000,
        synRetransmits: info.words[25] ?? 0,
        window: (length.words[0] ?? 0) < infoLength ? null : (info.words[57] ?? 0),
      }
    },

    /**
     * Simultaneous open (RFC 9293 §3.5): dialling a free port of its own range, the kernel may dial from that very port,
     * and the SYN meets itself. It never picks a port somebody is bound to, so nothing listens.
     */
    isSelf(fd: number, { batch, at }: SlottedDial): boolean {
      const port = portOf(batch[at] ?? 0)
      if (port < ephemeralPorts[0] || port > ephemeralPorts[1]) return false
      copyWords(batch, at, peer.words)
      const own = localAddress(fd)
      return own?.port === port && own.ip === readAddress(libc, peer)?.ip
    },

    /** Whether this machine, which sent an ICMP message, is not the one that was dialled. */
    isFromSelf(fd: number, { batch, at }: SlottedDial, from: string | null): boolean {
      copyWords(batch, at, peer.words)
      return from !== null && from === localAddress(fd)?.ip && from !== readAddress(libc, peer)?.ip
    },

    /** Sends FIN, and goes on receiving. */
    finish(fd: number): void {
      libc.shutdown(fd, SHUT_WR)
    },

    /** Throws away what a peer sent. True once it has finished or reset its side, or has more to say than anybody listens to. */
    drain(fd: number): boolean {
      for (let portions = 0; portions < mostPortions; portions++) {
        const received = libc.recv(fd, discarded.address, discarded.bytes.length, 0)
        if (received === 0) return true
        if (received < 0) return libc.errno() !== EAGAIN
      }
      return true
    },

    close(fd: number): void {
      libc.close(fd)
    },
  }
}
