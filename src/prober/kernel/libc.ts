import type { LibraryHandle } from 'koffi'

/** The C library's calls that a check needs, as raw as they are: a negative answer means look at `errno()`. */
export type Libc = ReturnType<typeof bindLibc>

type Memory = Uint8Array | Int32Array

/** Loads the C library this process already runs on, glibc or musl. Rejects where koffi or a call is missing. */
export async function loadLibc(): Promise<{ libc: Libc; addressOf: (memory: Uint8Array) => bigint }> {
  const { default: koffi } = await import('koffi')
  // Null is the program itself, whose symbols include its C library's under whatever file name that has.
  return { libc: bindLibc(koffi.load(null), () => koffi.errno()), addressOf: (memory) => koffi.address(memory) }
}

function bindLibc(lib: LibraryHandle, errno: () => number) {
  return {
    /** The error of this thread's last call (errno(3)). */
    errno,
    socket: lib.func('int socket(int, int, int)') as (family: number, type: number, protocol: number) => number,
    connect: lib.func('int connect(int, void *, uint)') as (fd: number, address: Memory, length: number) => number,
    close: lib.func('int close(int)') as (fd: number) => number,
    shutdown: lib.func('int shutdown(int, int)') as (fd: number, how: number) => number,
    getsockname: lib.func('int getsockname(int, void *, void *)') as (
      fd: number,
      address: Memory,
      length: Memory,
    ) => number,
    setsockopt: lib.func('int setsockopt(int, int, int, void *, uint)') as (
      fd: number,
      level: number,
      option: number,
      value: Memory,
      length: number,
    ) => number,
    getsockopt: lib.func('int getsockopt(int, int, int, void *, void *)') as (
      fd: number,
      level: number,
      option: number,
      value: Memory,
      length: Memory,
    ) => number,
    recv: lib.func('long recv(int, void *, size_t, int)') as (
      fd: number,
      into: Memory,
      length: number,
      flags: number,
    ) => number,
    recvmsg: lib.func('long recvmsg(int, void *, int)') as (fd: number, header: Memory, flags: number) => number,
    read: lib.func('long read(int, void *, size_t)') as (fd: number, into: Memory, length: number) => number,
    write: lib.func('long write(int, void *, size_t)') as (fd: number, from: Memory, length: number) => number,
    eventfd: lib.func('int eventfd(uint, int)') as (initial: number, flags: number) => number,
    epollCreate: lib.func('int epoll_create1(int)') as (flags: number) => number,
    epollControl: lib.func('int epoll_ctl(int, int, int, void *)') as (
      epoll: number,
      operation: number,
      fd: number,
      event: Memory,
    ) => number,
    epollWait: lib.func('int epoll_wait(int, void *, int, int)') as (
      epoll: number,
      events: Memory,
      most: number,
      timeoutMs: number,
    ) => number,
    inetPton: lib.func('int inet_pton(int, const char *, void *)') as (
      family: number,
      text: string,
      into: Memory,
    ) => number,
    inetNtop: lib.func('const char *inet_ntop(int, void *, void *, uint)') as (
      family: number,
      from: Memory,
      into: Memory,
      length: number,
    ) => string,
    ifNameToIndex: lib.func('uint if_nametoindex(const char *)') as (name: string) => number,
  }
}
