import type { IcmpError } from '../../domain/check/outcome.ts'
import type { Libc, Memory } from './libc.ts'
import { AF_INET, AF_INET6, readAddress } from './sockaddr.ts'

/** The socket option that queues the ICMP errors of a socket (IP_RECVERR, IPV6_RECVERR; in.h, in6.h). */
export const RECVERR = { [AF_INET]: { level: 0, option: 11 }, [AF_INET6]: { level: 41, option: 25 } }
const MSG_ERRQUEUE = 0x2000
/** The most messages that are read from one socket at a time, so that a host that sends many does not delay other checks. */
const mostErrors = 64

/** The ICMP errors of sockets with the option `RECVERR`. */
export type ErrorQueue = {
  /** Empties the error queue of a socket (ip(7), IP_RECVERR) and returns the last ICMP error; null when there is none. */
  takeIcmp(fd: number): IcmpError | null
}

/** Creates a reader of error queues, with memory that is allocated once. */
export function createErrorQueue(libc: Libc): ErrorQueue {
  const control = libc.allocate(512)
  /** `struct msghdr` (64-bit Linux), without a buffer for the packet, because the error is in the control messages. */
  const header = libc.allocate(56)
  header.bytes.writeBigUInt64LE(BigInt(control.address), 32)

  return {
    takeIcmp(fd) {
      let last: IcmpError | null = null
      for (let taken = 0; taken < mostErrors; taken++) {
        header.bytes.writeBigUInt64LE(BigInt(control.bytes.length), 40)
        if (libc.recvmsg(fd, header.address, MSG_ERRQUEUE) < 0) return last
        last = readExtendedError(libc, control, Number(header.bytes.readBigUInt64LE(40))) ?? last
      }
      return last
    },
  }
}

/** Reads `struct sock_extended_err` and the address of the sender from control messages (cmsg(3): length u64, level, type, data at 16). */
function readExtendedError(libc: Libc, control: Memory, length: number): IcmpError | null {
  const { bytes } = control
  for (let at = 0; at + 32 <= length; ) {
    const size = Number(bytes.readBigUInt64LE(at))
    if (size < 16) return null
    const level = bytes.readInt32LE(at + 8)
    const type = bytes.readInt32LE(at + 12)
    const isError = Object.values(RECVERR).some((option) => option.level === level && option.option === type)
    const error = at + 16
    // Origin 2 is ICMP, 3 is ICMPv6 (errqueue.h). Origin 1 is an error of our own stack, which errno has too.
    const origin = bytes.readUInt8(error + 4)
    if (isError && (origin === 2 || origin === 3)) {
      return {
        version: origin === 2 ? 4 : 6,
        type: bytes.readUInt8(error + 5),
        code: bytes.readUInt8(error + 6),
        from: size >= 48 ? (readAddress(libc, control, error + 16)?.ip ?? null) : null,
      }
    }
    at += Math.ceil(size / 8) * 8
  }
  return null
}
