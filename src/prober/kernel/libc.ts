import type { LibraryHandle } from 'koffi'

/** The C library's calls that a check needs, as raw as they are: a negative answer means look at `errno()`. */
export type Libc = ReturnType<typeof bindLibc>

/** Memory that calls read from and write to. */
export type Memory = {
  readonly bytes: Buffer
  readonly words: Uint32Array
  /** What calls are given. It stays the same for as long as JavaScript holds on to this memory, and no longer. */
  readonly address: number
}

/** The longest IPv6 address as text, with its end (in.h). */
const INET6_ADDRSTRLEN = 46

/** Loads the C library this process already runs on, glibc or musl. Rejects where koffi or a call is missing. */
export async function loadLibc(): Promise<Libc> {
  const { default: koffi } = await import('koffi')
  // Null is the program itself, whose symbols include its C library's under whatever file name that has.
  return bindLibc(
    koffi.load(null),
    () => koffi.errno(),
    (memory) => Number(koffi.address(memory)),
  )
}

/** Addresses go as plain numbers: koffi looks at a typed array for as long as the smaller calls take. */
function bindLibc(lib: LibraryHandle, errno: () => number, addressOf: (memory: Uint8Array) => number) {
  /** Memory of its own, zeroed, of so many bytes and up to seven more. Small typed arrays of JavaScript's would be moved about by it. */
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
  /** Not made anew for each call: the answer is read from it once the call is over. */
  const text = allocate(INET6_ADDRSTRLEN)

  return {
    allocate,
    /** The error of this thread's last call (errno(3)). */
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
    /** The name of a network interface by its number; null when there is none of that number. */
    ifIndexToName: (index: number) => toName(index, text.address),
    ifNameToIndex: lib.func('uint if_nametoindex(const char *)') as (name: string) => number,
  }
}
