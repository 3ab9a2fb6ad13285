import type { Libc } from './libc.ts'

// socket.h, netlink.h
const AF_NETLINK = 16
const SOCK_RAW = 3
const SOCK_NONBLOCK = 0o4000
const SOCK_CLOEXEC = 0o2000000
const NETLINK_ROUTE = 0
const NLM_F_REQUEST = 1
/** The length of `struct nlmsghdr`: u32 length, u16 type, u16 flags, u32 sequence number, u32 sender. */
const headerLength = 16
/** The size of the buffer, which is more than a route or a neighbour needs. */
const replyLength = 4096

/** An attribute of a message (rtnetlink(7)). */
export type Attribute = readonly [type: number, value: Uint8Array]

/** A reply: the fixed part after its header, and the values of its attributes by type. */
export type Reply = { readonly fixed: Buffer; readonly attributes: ReadonlyMap<number, Buffer> }

/** A netlink socket that queries routes and neighbours (netlink(7), NETLINK_ROUTE). */
export type Netlink = {
  /**
   * Sends one request and returns its reply. The fixed parts of both have the same length. The call never waits, because the kernel answers
   * before write(2) returns. Null when there is no reply of the type `replyType`: the socket is forbidden (seccomp), the kernel does not know the
   * request, or it finds nothing.
   */
  ask(type: number, replyType: number, fixed: Uint8Array, attributes: readonly Attribute[]): Reply | null
  close(): void
}

/** Creates a netlink client, which opens its socket at the first request. `mark` marks the descriptor as open or closed, as in the dial loop. */
export function createNetlink(libc: Libc, mark: (fd: number, open: boolean) => void): Netlink {
  const message = libc.allocate(replyLength)
  const { bytes } = message
  let fd = -1
  let sequence = 0

  function open(): boolean {
    if (fd < 0) {
      fd = libc.socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE)
      if (fd >= 0) mark(fd, true)
    }
    return fd >= 0
  }

  function close(): void {
    if (fd < 0) return
    libc.close(fd)
    mark(fd, false)
    fd = -1
  }

  /** Writes a request to `message` and returns its length. */
  function layOut(type: number, fixed: Uint8Array, attributes: readonly Attribute[]): number {
    bytes.fill(0)
    bytes.set(fixed, headerLength)
    let length = headerLength + fixed.length
    for (const [attribute, value] of attributes) {
      bytes.writeUInt16LE(4 + value.length, length)
      bytes.writeUInt16LE(attribute, length + 2)
      bytes.set(value, length + 4)
      length += 4 + align(value.length)
    }
    sequence = (sequence + 1) >>> 0
    bytes.writeUInt32LE(length, 0)
    bytes.writeUInt16LE(type, 4)
    bytes.writeUInt16LE(NLM_F_REQUEST, 6)
    bytes.writeUInt32LE(sequence, 8)
    return length
  }

  return {
    ask(type, replyType, fixed, attributes) {
      if (!open()) return null
      const length = layOut(type, fixed, attributes)
      const isSent = libc.write(fd, message.address, length) === length
      const received = isSent ? libc.recv(fd, message.address, replyLength, 0) : -1
      if (received < headerLength || bytes.readUInt32LE(8) !== sequence) {
        // A late reply would be taken for the reply to the next request.
        close()
        return null
      }
      if (bytes.readUInt16LE(4) !== replyType) return null
      // A copy, because the next request overwrites the buffer.
      return readReply(Buffer.from(bytes.subarray(0, received)), fixed.length)
    },
    close,
  }
}

function readReply(bytes: Buffer, fixedLength: number): Reply {
  const end = headerLength + fixedLength
  const attributes = new Map<number, Buffer>()
  for (let at = end; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at)
    if (length < 4) break
    attributes.set(bytes.readUInt16LE(at + 2), bytes.subarray(at + 4, at + length))
    at += align(length)
  }
  return { fixed: bytes.subarray(headerLength, end), attributes }
}

/** Rounds a length up to a multiple of four bytes (NLMSG_ALIGN and RTA_ALIGN). */
function align(length: number): number {
  return (length + 3) & ~3
}
