import { errnoName } from './evidence.ts'
import type { Libc } from './libc.ts'

const EINTR = 4
// epoll.h
const EPOLL_CLOEXEC = 0o2000000
const EPOLL_CTL_ADD = 1
const EPOLL_CTL_MOD = 3
export const EPOLLIN = 0x1
export const EPOLLOUT = 0x4
export const EPOLLERR = 0x8
export const EPOLLHUP = 0x10
export const EPOLLRDHUP = 0x2000
export const EPOLLONESHOT = 1 << 30

/** How many events one wait brings: some milliseconds' work, so that deadlines are looked at in between. */
const eventsPerWait = 256

/** What waits for many descriptors together (epoll(7)). */
export type Epoll = {
  readonly fd: number
  /** Waits for `interest` in a descriptor too; `serial` comes back with its events. False: `errno` tells why not. */
  add(fd: number, interest: number, serial: number): boolean
  /** Waits for something else in a descriptor that was added. */
  change(fd: number, interest: number, serial: number): boolean
  /** Waits, `timeoutMs` at most, and tells what happened. Throws when it cannot wait any more. */
  wait(timeoutMs: number, tell: (fd: number, serial: number, happened: number) => void): void
}

/** Throws where the system gives none. */
export function createEpoll(libc: Libc): Epoll {
  const stride = epollEventSize(process.arch)
  const dataAt = stride - 8
  const events = Buffer.from(new ArrayBuffer(stride * eventsPerWait))
  const event = Buffer.from(new ArrayBuffer(stride))
  const epoll = libc.epollCreate(EPOLL_CLOEXEC)
  if (epoll < 0) throw new Error(`epoll_create failed (${errnoName(libc.errno())})`)

  function control(operation: number, fd: number, interest: number, serial: number): boolean {
    event.writeUInt32LE(interest, 0)
    event.writeInt32LE(fd, dataAt)
    event.writeUInt32LE(serial, dataAt + 4)
    return libc.epollControl(epoll, operation, fd, event) === 0
  }

  return {
    fd: epoll,
    add: (fd, interest, serial) => control(EPOLL_CTL_ADD, fd, interest, serial),
    change: (fd, interest, serial) => control(EPOLL_CTL_MOD, fd, interest, serial),
    wait(timeoutMs, tell) {
      const count = libc.epollWait(epoll, events, eventsPerWait, timeoutMs)
      if (count < 0 && libc.errno() !== EINTR) throw new Error(`epoll_wait failed (${errnoName(libc.errno())})`)
      for (let at = 0; at < count * stride; at += stride) {
        tell(events.readInt32LE(at + dataAt), events.readUInt32LE(at + dataAt + 4), events.readUInt32LE(at))
      }
    },
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
