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
/** More than a route or a neighbour takes. */
const replyLength = 4096

/** An attribute of a message (rtnetlink(7)): its type and its value. */
export type Attribute = readonly [type: number, value: Uint8Array]

/** A reply: the fixed part that follows its header, and the values of its attributes by their type. */
export type Reply = { readonly fixed: Buffer; readonly attributes: ReadonlyMap<number, Buffer> }

/** Asks the kernel for routes and neighbours (netlink(7), NETLINK_ROUTE). */
export type Netlink = {
  /**
   * Sends one request; returns its reply, whose fixed part is as long as that of the request. The kernel answers before the
   * call that asks returns, so this never waits. Null where there is no reply of the wanted type: the socket is forbidden
   * (seccomp), the kernel does not know the request, or finds nothing.
   */
  ask(type: number, replyType: number, fixed: Uint8Array, attributes: readonly Attribute[]): Reply | null
  close(): void
}

/** `mark` tells which descriptors are open, as in the dial loop. The socket is opened when it is first needed. */
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

  /** Lays a request out in `message`; returns its length. */
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
        // What may still come would be taken for the reply to the next request.
        close()
        return null
      }
      if (bytes.readUInt16LE(4) !== replyType) return null
      // A copy, because the next request is laid out over it.
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

/** NLMSG_ALIGN and RTA_ALIGN: everything starts at a multiple of four bytes. */
function align(length: number): number {
  return (length + 3) & ~3
}
