import type { IcmpError } from '../../domain/outcome.ts'
import type { Close } from '../../domain/service.ts'
import type { Libc } from './libc.ts'
import { AF_INET, AF_INET6, layOutAddress, readAddress } from './sockaddr.ts'

// socket.h, tcp.h, in.h, in6.h: the same numbers on x86_64 and arm64.
const SOCK_STREAM = 1
const SOCK_NONBLOCK = 0o4000
const SOCK_CLOEXEC = 0o2000000
const SOL_SOCKET = 1
const SO_ERROR = 4
const SO_LINGER = 13
const IPPROTO_TCP = 6
const TCP_INFO = 11
const TCP_QUICKACK = 12
const RECVERR = { [AF_INET]: { level: 0, option: 11 }, [AF_INET6]: { level: 41, option: 25 } }
const SHUT_WR = 1
const MSG_ERRQUEUE = 0x2000
export const ECONNREFUSED = 111
const EINPROGRESS = 115

/** tcp_states.h */
export const TCP_ESTABLISHED = 1
export const TCP_SYN_SENT = 2

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
}

/** How a dial began: its descriptor, or the error that kept it from beginning. `errno` 0: connected already; null: under way. `isUsed`: the socket dialled before. */
export type Begun = { readonly fd: number; readonly errno: number | null; readonly isUsed: boolean }

/** So many sockets are kept to dial again. */
const mostIdle = 256

/** The calls of one check, over memory that is laid out once. */
export type Sockets = ReturnType<typeof createSockets>

export function createSockets(libc: Libc, addressOf: (memory: Uint8Array) => bigint) {
  const address = memory(28)
  const name = memory(28)
  const info = memory(104)
  const control = memory(512)
  const discarded = memory(65_536)
  const length = new Int32Array(new ArrayBuffer(4))
  /** A `struct sockaddr` of no family: connecting to it dissolves the association a socket has (connect(2)). */
  const nobody = memory(16)
  /** IPv4 sockets without an association. */
  const idle: number[] = []
  const integer = new Int32Array(new ArrayBuffer(4))
  const one = Int32Array.of(1)
  const zero = Int32Array.of(0)
  /** `{ l_onoff: 1, l_linger: 0 }`: close sends RST, so no TIME_WAIT is left and no port used up. */
  const lingerNone = Int32Array.of(1, 0)
  /** `struct msghdr` (64-bit Linux). No room for the packet itself: what is wanted is in the control messages. */
  const header = memory(56)

  function setOption(fd: number, level: number, option: number, value: Int32Array): void {
    libc.setsockopt(fd, level, option, value, value.byteLength)
  }

  function open(family: typeof AF_INET | typeof AF_INET6, close: Close): number {
    const fd = libc.socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    if (fd < 0) return fd
    if (close !== 'fin') setOption(fd, SOL_SOCKET, SO_LINGER, lingerNone)
    setOption(fd, RECVERR[family].level, RECVERR[family].option, one)
    return fd
  }

  return {
    /** Opens a non-blocking socket, or takes one that dialled before, and sends the SYN. */
    begin(ip: string, port: number, close: Close): Begun {
      const addressLength = layOutAddress(libc, ip, port, address)
      const family = addressLength === 16 ? AF_INET : AF_INET6
      const used = family === AF_INET && close !== 'fin' ? idle.pop() : undefined
      const isUsed = used !== undefined
      const fd = used ?? open(family, close)
      if (fd < 0) return { fd, errno: libc.errno(), isUsed }
      // Holds back the ACK that would complete the handshake, so that the end answers the SYN-ACK with RST.
      if (close === 'half-open') setOption(fd, IPPROTO_TCP, TCP_QUICKACK, zero)
      if (libc.connect(fd, address, addressLength) === 0) return { fd, errno: 0, isUsed }
      const errno = libc.errno()
      return { fd, errno: errno === EINPROGRESS ? null : errno, isUsed }
    },

    /**
     * Ends a connection with RST, as close does without lingering, and keeps the socket to dial again: a third cheaper than a new one.
     * IPv4 only, since a zone or a mapped address leaves its traces in an IPv6 socket. False: it was not kept, so close it.
     */
    keep(fd: number, ip: string): boolean {
      if (idle.length >= mostIdle || ip.includes(':')) return false
      if (libc.connect(fd, nobody, nobody.length) !== 0) return false
      idle.push(fd)
      return true
    },

    /** Takes out a socket that was kept, so that it can be closed; undefined when there is none. */
    takeIdle(): number | undefined {
      return idle.pop()
    },

    /** The error a socket holds, which this clears; 0 when there is none. */
    takeError(fd: number): number {
      length[0] = 4
      libc.getsockopt(fd, SOL_SOCKET, SO_ERROR, integer, length)
      return integer[0] ?? 0
    },

    /** What TCP knows of a socket (`struct tcp_info` in tcp.h: state, retransmits, retrans, rtt in µs, total_retrans). */
    readInfo(fd: number): TcpInfo {
      length[0] = info.length
      libc.getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, length)
      return {
        state: info.readUInt8(0),
        timeouts: info.readUInt8(2),
        retransmitsOut: info.readUInt32LE(36),
        rttMs: info.readUInt32LE(68) / 1000,
        synRetransmits: info.readUInt32LE(100),
      }
    },

    /** The last ICMP error queued for a socket (ip(7), IP_RECVERR), which this takes out; null when there is none. */
    takeIcmp(fd: number): IcmpError | null {
      let last: IcmpError | null = null
      for (;;) {
        header.fill(0)
        header.writeBigUInt64LE(addressOf(control), 32)
        header.writeBigUInt64LE(BigInt(control.length), 40)
        if (libc.recvmsg(fd, header, MSG_ERRQUEUE) < 0) return last
        last = readExtendedError(libc, control.subarray(0, Number(header.readBigUInt64LE(40)))) ?? last
      }
    },

    /** The address and port a socket dials from. */
    localAddress(fd: number): { readonly ip: string; readonly port: number } | null {
      length[0] = name.length
      return libc.getsockname(fd, name, length) === 0 ? readAddress(libc, name) : null
    },

    /** A literal IP as the kernel spells it, without its zone. */
    spell(ip: string): string {
      layOutAddress(libc, ip, 0, address)
      return readAddress(libc, address)?.ip ?? ip
    },

    /** Sends FIN, and goes on receiving. */
    finish(fd: number): void {
      libc.shutdown(fd, SHUT_WR)
    },

    /** Throws away what a peer sent. True once it has finished or reset its side. */
    drain(fd: number): boolean {
      for (;;) {
        const received = libc.recv(fd, discarded, discarded.length, 0)
        if (received === 0) return true
        if (received < 0) return libc.errno() !== EAGAIN
      }
    },

    close(fd: number): void {
      libc.close(fd)
    },
  }
}

const EAGAIN = 11

/** Whether an error that connect(2) returned came from the peer after all: on loopback its RST is back before the call is. */
export function isAnswer(errno: number): boolean {
  return errno === ECONNREFUSED
}

/** Memory with an address that stays: small typed arrays of their own live in the movable heap. */
function memory(bytes: number): Buffer {
  return Buffer.from(new ArrayBuffer(bytes))
}

/** Finds `struct sock_extended_err` and the offender's address among control messages (cmsg(3): length u64, level, type, data at 16). */
function readExtendedError(libc: Libc, control: Buffer): IcmpError | null {
  for (let at = 0; at + 32 <= control.length; ) {
    const size = Number(control.readBigUInt64LE(at))
    if (size < 16) return null
    const level = control.readInt32LE(at + 8)
    const type = control.readInt32LE(at + 12)
    const isError = Object.values(RECVERR).some((option) => option.level === level && option.option === type)
    const error = control.subarray(at + 16, at + size)
    // Origin 2: ICMP, 3: ICMPv6 (errqueue.h); 1 is an error of our own stack, which errno tells as well.
    const origin = error.readUInt8(4)
    if (isError && (origin === 2 || origin === 3)) {
      const from = error.length >= 32 ? readAddress(libc, error.subarray(16)) : null
      return {
        version: origin === 2 ? 4 : 6,
        type: error.readUInt8(5),
        code: error.readUInt8(6),
        from: from?.ip ?? null,
      }
    }
    at += Math.ceil(size / 8) * 8
  }
  return null
}
