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
/** The events to report, each once (edge-triggered): the result of a dial, bytes from the peer, and its FIN. */
const interest = EPOLLIN + EPOLLOUT + EPOLLRDHUP + EPOLLET

/** How many events one wait returns: a few milliseconds of work, so that deadlines are handled in between. */
const eventsPerWait = 256

/** An epoll instance, which waits for many descriptors together (epoll(7)). */
export type Epoll = {
  readonly fd: number
  /** Reports the events of a descriptor until it is closed, each once. Returns false on failure; `errno` then has the error. */
  add(fd: number): boolean
  /** Waits for at most `timeoutMs` and returns the number of events. Throws when epoll_wait fails. */
  wait(timeoutMs: number): number
  /** Returns the descriptor of an event of the last wait. */
  fdOf(event: number): number
  /** Returns whether an event of the last wait may be an error. */
  mayBeError(event: number): boolean
}

/** Creates an epoll instance. Throws when the system refuses. */
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
 * Returns the size of `struct epoll_event` in bytes: u32 events, then u64 data. The structure is packed on x86_64 (EPOLL_PACKED in eventpoll.h);
 * elsewhere the data is aligned to 8. Throws for an architecture that this code does not support (32-bit, big-endian, unknown).
 */
export function epollEventSize(arch: string): number {
  if (arch === 'x64') return 12
  if (arch === 'arm64') return 16
  throw new Error(`it knows the system calls of x64 and arm64, not of ${arch}`)
}
