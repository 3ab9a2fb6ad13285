import type { LibraryHandle } from 'koffi'

/** The calls of the C library that a check needs, unchanged. A negative result means that `errno()` has the error. */
export type Libc = ReturnType<typeof bindLibc>

/** Memory that calls of the C library read and write. */
export type Memory = {
  readonly bytes: Buffer
  readonly words: Uint32Array
  /** The address to pass to calls, valid for as long as JavaScript holds a reference to this memory. */
  readonly address: number
}

/** The length of the longest IPv6 address as text, with its terminating zero (in.h). */
const INET6_ADDRSTRLEN = 46

/** Loads the C library of this process, glibc or musl. Rejects if koffi or a call is missing. */
export async function loadLibc(): Promise<Libc> {
  const { default: koffi } = await import('koffi')
  // Null is the program itself. Its symbols include those of its C library, so the file name of the library does not matter.
  return bindLibc(
    koffi.load(null),
    () => koffi.errno(),
    (memory) => Number(koffi.address(memory)),
  )
}

/** Binds the calls. Addresses are plain numbers, because koffi takes as long to convert a typed array as a small call takes. */
function bindLibc(lib: LibraryHandle, errno: () => number, addressOf: (memory: Uint8Array) => number) {
  /**
   * Allocates `size` bytes of zeros, rounded up to a multiple of eight, in an ArrayBuffer of their own. V8 may move the bytes of a small typed
   * array.
   */
  function allocate(size: number): Memory {
    const memory = new ArrayBuffer(Math.ceil(size / 8) * 8)
    const bytes = Buffer.from(memory)
    return { bytes, words: new Uint32Array(memory), address: addressOf(bytes) }
  }

  const ntop = lib.func('const char *inet_ntop(int, uintptr_t, uintptr_t, uint)') as (
    family: number,
    from: number,
    into: number,
    length: number,
  ) => string
  const toName = lib.func('const char *if_indextoname(uint, uintptr_t)') as (
    index: number,
    into: number,
  ) => string | null
  /** Shared by all calls, because the result is copied out of it before the next call. */
  const text = allocate(INET6_ADDRSTRLEN)

  return {
    allocate,
    /** Returns the error of the last call of this thread (errno(3)). */
    errno,
    socket: lib.func('int socket(int, int, int)') as (family: number, type: number, protocol: number) => number,
    connect: lib.func('int connect(int, uintptr_t, uint)') as (fd: number, address: number, length: number) => number,
    close: lib.func('int close(int)') as (fd: number) => number,
    shutdown: lib.func('int shutdown(int, int)') as (fd: number, how: number) => number,
    getsockname: lib.func('int getsockname(int, uintptr_t, uintptr_t)') as (
      fd: number,
      address: number,
      length: number,
    ) => number,
    setsockopt: lib.func('int setsockopt(int, int, int, uintptr_t, uint)') as (
      fd: number,
      level: number,
      option: number,
      value: number,
      length: number,
    ) => number,
    getsockopt: lib.func('int getsockopt(int, int, int, uintptr_t, uintptr_t)') as (
      fd: number,
      level: number,
      option: number,
      value: number,
      length: number,
    ) => number,
    recv: lib.func('long recv(int, uintptr_t, size_t, int)') as (
      fd: number,
      into: number,
      length: number,
      flags: number,
    ) => number,
    recvmsg: lib.func('long recvmsg(int, uintptr_t, int)') as (fd: number, header: number, flags: number) => number,
    write: lib.func('long write(int, uintptr_t, size_t)') as (fd: number, from: number, length: number) => number,
    eventfd: lib.func('int eventfd(uint, int)') as (initial: number, flags: number) => number,
    epollCreate: lib.func('int epoll_create1(int)') as (flags: number) => number,
    epollControl: lib.func('int epoll_ctl(int, int, int, uintptr_t)') as (
      epoll: number,
      operation: number,
      fd: number,
      event: number,
    ) => number,
    epollWait: lib.func('int epoll_wait(int, uintptr_t, int, int)') as (
      epoll: number,
      events: number,
      most: number,
      timeoutMs: number,
    ) => number,
    inetPton: lib.func('int inet_pton(int, const char *, uintptr_t)') as (
      family: number,
      text: string,
      into: number,
    ) => number,
    inetNtop: (family: number, from: number) => ntop(family, from, text.address, INET6_ADDRSTRLEN),
    /** Returns the name of a network interface by its number; null when there is no such interface. */
    ifIndexToName: (index: number) => toName(index, text.address),
    ifNameToIndex: lib.func('uint if_nametoindex(const char *)') as (name: string) => number,
  }
}
