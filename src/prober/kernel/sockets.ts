import type { Close } from '../../domain/service/policy-settings.ts'
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

/** The fields of `struct tcp_info` that describe a handshake. */
export type TcpInfo = {
  readonly state: number
  readonly rttMs: number
  /** How often in a row the retransmission timer fired. */
  readonly timeouts: number
  /** How many SYNs were sent again, whether or not they left this machine. */
  readonly synRetransmits: number
  /** How many of these left this machine and are not answered. */
  readonly retransmitsOut: number
  /** How many bytes the peer lets us send; null before Linux 5.4, which does not report it. */
  readonly window: number | null
}

/**
 * The beginning of a dial: its descriptor, or a negative one when there is no socket. `errno` is 0 when it already connected, null while it is in
 * flight, otherwise the error. `isUsed` says that the socket dialled before.
 */
export type Begun = { readonly fd: number; readonly errno: number | null; readonly isUsed: boolean }

/** The part of `struct tcp_info` up to `tcpi_snd_wnd`. */
const infoLength = 232
/** The most sockets of one close mode that are kept to dial again. */
const mostIdle = 256
/** The most chunks of 64 KiB that are read from a peer at once. Otherwise a peer that sends without end would delay the other checks. */
const mostReads = 16

/** The system calls of a check, with memory that is allocated once. */
export type Sockets = ReturnType<typeof createSockets>

/** Creates the system calls of a check. `ephemeralPorts` are the first and the last port that the kernel dials from. */
export function createSockets(libc: Libc, ephemeralPorts: readonly [number, number]) {
  const peer = allocateAddress(libc)
  const local = allocateAddress(libc)
  const info = libc.allocate(infoLength)
  const discarded = libc.allocate(65_536)
  const length = libc.allocate(4)
  /** A `struct sockaddr` of the family AF_UNSPEC. A connect to it dissolves the association of a socket (connect(2)). */
  const unspecifiedAddress = libc.allocate(16)
  /** IPv4 sockets without an association, by close mode, because a socket gets its close mode only once. */
  const idle = { 'half-open': [] as number[], rst: [] as number[] }
  const integer = libc.allocate(4)
  const one = libc.allocate(4)
  one.words[0] = 1
  /** `{ l_onoff: 1, l_linger: 0 }`: close sends RST, so the socket leaves no TIME_WAIT and keeps no port. */
  const lingerNone = libc.allocate(8)
  lingerNone.words[0] = 1

  function setOption(fd: number, level: number, option: number, value: Memory, size = 4): void {
    libc.setsockopt(fd, level, option, value.address, size)
  }

  function open(family: typeof AF_INET | typeof AF_INET6, close: Close): number {
    const fd = libc.socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    if (fd < 0) return fd
    if (close !== 'fin') setOption(fd, SOL_SOCKET, SO_LINGER, lingerNone, 8)
    // On the dialling side this option holds back the ACK that would complete the handshake (tcp_rcv_synsent_state_process). So the end
    // of the check answers the SYN-ACK with RST. TCP_QUICKACK does the same, but would have to be set for every dial.
    if (close === 'half-open') setOption(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, one)
    setOption(fd, RECVERR[family].level, RECVERR[family].option, one)
    return fd
  }

  /** Returns the address and port that a socket dials from. */
  function localAddress(fd: number): { readonly ip: string; readonly port: number } | null {
    length.words[0] = local.bytes.length
    return libc.getsockname(fd, local.address, length.address) === 0 ? readAddress(libc, local) : null
  }

  return {
    /** Opens a non-blocking socket, or reuses one that dialled before, and sends the SYN. */
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
     * Ends a connection with RST, as a close without lingering does, and keeps the socket to dial again, which is a third cheaper than a new one.
     * Only IPv4 sockets are kept, because a zone or a mapped address leaves traces in an IPv6 socket. Returns false if the socket was not kept, so
     * that the caller has to close it.
     */
    keep(fd: number, { batch, at, close }: SlottedDial): boolean {
      if (close === 'fin' || idle[close].length >= mostIdle || familyOf(batch[at] ?? 0) !== AF_INET) return false
      if (libc.connect(fd, unspecifiedAddress.address, unspecifiedAddress.bytes.length) !== 0) return false
      idle[close].push(fd)
      return true
    },

    /** Removes and returns a kept socket, for the caller to close; undefined when there is none. */
    takeIdle(): number | undefined {
      return idle['half-open'].pop() ?? idle.rst.pop()
    },

    /** Returns and clears the error of a socket; 0 when there is none. */
    takeError(fd: number): number {
      length.words[0] = 4
      libc.getsockopt(fd, SOL_SOCKET, SO_ERROR, integer.address, length.address)
      return integer.words[0] ?? 0
    },

    /** Returns the TCP state of a socket (`struct tcp_info` in tcp.h: state, retransmits, retrans, rtt in µs, total_retrans, snd_wnd). */
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
     * Returns whether a connection leads to itself. If the dialled port is local, free and ephemeral, the kernel may dial from the same port. The
     * SYN then meets itself (simultaneous open, RFC 9293 §3.5). The kernel never picks a port that is bound, so nothing listens there.
     */
    isSelf(fd: number, { batch, at }: SlottedDial): boolean {
      const port = portOf(batch[at] ?? 0)
      if (port < ephemeralPorts[0] || port > ephemeralPorts[1]) return false
      copyWords(batch, at, peer.words)
      const own = localAddress(fd)
      return own?.port === port && own.ip === readAddress(libc, peer)?.ip
    },

    /** Returns whether this machine sent an ICMP message, and is not itself the dialled host. */
    isFromSelf(fd: number, { batch, at }: SlottedDial, from: string | null): boolean {
      copyWords(batch, at, peer.words)
      return from !== null && from === localAddress(fd)?.ip && from !== readAddress(libc, peer)?.ip
    },

    /** Sends FIN. The socket can still receive. */
    finish(fd: number): void {
      libc.shutdown(fd, SHUT_WR)
    },

    /** Discards the bytes of a peer. Returns true if the peer sent FIN or RST, or more than 1 MiB at once. */
    drain(fd: number): boolean {
      for (let reads = 0; reads < mostReads; reads++) {
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
