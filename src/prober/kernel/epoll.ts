import { errnoName } from '../errno.ts'
import type { Libc } from './libc.ts'

const EINTR = 4
// epoll.h
const EPOLL_CLOEXEC = 0o2000000
const EPOLL_CTL_ADD = 1
const EPOLLIN = 0x1
const EPOLLOUT = 0x4
const EPOLLERR = 0x8
const EPOLLHUP = 0x10
const EPOLLRDHUP = 0x2000
const EPOLLET = 2 ** 31
/** Told of once each: whatever comes of a dial, what the peer sends, and its end. */
const interest = EPOLLIN + EPOLLOUT + EPOLLRDHUP + EPOLLET

/** How many events one wait brings: some milliseconds' work, so that deadlines are looked at in between. */
const eventsPerWait = 256

/** What waits for many descriptors together (epoll(7)). */
export type Epoll = {
  readonly fd: number
  /** Tells what happens to a descriptor from now on, once each time, until it is closed. False: `errno` tells why it cannot. */
  add(fd: number): boolean
  /** Waits, `timeoutMs` at most, and tells how many events there are. Throws when it cannot wait any more. */
  wait(timeoutMs: number): number
  /** The descriptor of an event of the last wait. */
  fdOf(event: number): number
  /** Whether an event of the last wait may be an error. */
  mayBeError(event: number): boolean
}

/** Throws where the system gives none. */
export function createEpoll(libc: Libc): Epoll {
  const stride = epollEventSize(process.arch) / 4
  const dataAt = stride - 2
  const events = libc.allocate(4 * stride * eventsPerWait)
  const event = libc.allocate(4 * stride)
  const epoll = libc.epollCreate(EPOLL_CLOEXEC)
  if (epoll < 0) throw new Error(`epoll_create failed (${errnoName(libc.errno())})`)

  return {
    fd: epoll,
    add(fd) {
      event.words[0] = interest
      event.words[dataAt] = fd
      return libc.epollControl(epoll, EPOLL_CTL_ADD, fd, event.address) === 0
    },
    wait(timeoutMs) {
      const count = libc.epollWait(epoll, events.address, eventsPerWait, timeoutMs)
      if (count >= 0) return count
      if (libc.errno() === EINTR) return 0
      throw new Error(`epoll_wait failed (${errnoName(libc.errno())})`)
    },
    fdOf: (index) => events.words[index * stride + dataAt] ?? -1,
    mayBeError: (index) => ((events.words[index * stride] ?? 0) & (EPOLLERR | EPOLLHUP)) !== 0,
  }
}

/**
 * The size in bytes of `struct epoll_event`: u32 events, then u64 data at the end. Packed on x86_64 (EPOLL_PACKED in eventpoll.h);
 * elsewhere the data is aligned to 8. Throws for an architecture that none of this was laid out for (32-bit, big-endian, unknown).
 */
export function epollEventSize(arch: string): number {
  if (arch === 'x64') return 12
  if (arch === 'arm64') return 16
  throw new Error(`it knows the system calls of x64 and arm64, not of ${arch}`)
}
