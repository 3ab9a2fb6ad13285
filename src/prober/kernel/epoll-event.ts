/**
 * The size in bytes of `struct epoll_event`: u32 events, then u64 data at the end. Packed on x86_64 (EPOLL_PACKED in eventpoll.h);
 * elsewhere the data is aligned to 8. Throws for an architecture that none of this was laid out for (32-bit, big-endian, unknown).
 */
export function epollEventSize(arch: string): number {
  if (arch === 'x64') return 12
  if (arch === 'arm64') return 16
  throw new Error(`it knows the system calls of x64 and arm64, not of ${arch}`)
}
