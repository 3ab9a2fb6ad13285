import { createRequire, flushCompileCache } from 'node:module'

/** Calls that run on a thread of libuv's pool. `process.exit` waits until all of them have returned. */
const poolCalls = ['FSReqCallback', 'FSReqPromise', 'GetAddrInfoReqWrap', 'GetNameInfoReqWrap']
/** The time, in milliseconds, that the pool has for its calls when the process ends. They may be writing the last lines of the log. */
const lastCallsMs = 100

/** Returns whether a call of this process waits for the file system or for a name server. */
export function awaitsSystem(): boolean {
  return process.getActiveResourcesInfo().some((name) => poolCalls.includes(name))
}

/**
 * Ends the process without waiting for any thread. Never returns. `process.exit` joins libuv's threads and the workers. A thread that is stuck
 * in open, write or getaddrinfo returns when the disk, the reader or the name server answers. If a network file system hangs, that is never.
 * Call this function only in the event `exit`, because no other listener runs after it. The function tries three ways:
 *
 * 1. `_exit(2)`, through koffi: at once, with the exit code.
 * 2. Without koffi, `execve(2)`: the kernel ends all threads, and a bare Node.js in their place exits with the code.
 * 3. If that fails too, SIGKILL: the exit code is lost. This is the last way because process 1 of a container cannot send SIGKILL to itself.
 */
export function exitAtOnce(code: number): void {
  if (awaitsSystem()) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, lastCallsMs)
  attempt(flushCompileCache)
  // Load koffi only here, because most processes never need it. Do not await it, because nothing is awaited while a process ends.
  attempt(() => {
    const { default: koffi } = createRequire(import.meta.url)('koffi') as typeof import('koffi')
    koffi.load(null).func('void _exit(int)')(code)
  })
  attempt(() => process.execve?.(process.execPath, [process.execPath, '-e', `process.exit(${code})`], {}))
  process.kill(process.pid, 'SIGKILL')
}

function attempt(act: () => void): void {
  try {
    act()
  } catch {
    // Try the next way.
  }
}
