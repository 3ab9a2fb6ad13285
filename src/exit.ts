import { createRequire, flushCompileCache } from 'node:module'

/** Calls that run on a thread of libuv's pool. `process.exit` waits until all of them have returned. */
const callsOfThePool = ['FSReqCallback', 'FSReqPromise', 'GetAddrInfoReqWrap', 'GetNameInfoReqWrap']
/** How many milliseconds the pool has for the calls that are under way when the process ends: it may be writing the last lines of the log. */
const lastCallsMs = 100

/** Returns whether a call of this process waits for the file system or for a name server. */
export function awaitsSystem(): boolean {
  return process.getActiveResourcesInfo().some((name) => callsOfThePool.includes(name))
}

/**
 * Ends the process without waiting for any thread. `process.exit` joins libuv's threads and the workers, and one that is stuck in open,
 * write or getaddrinfo returns when the disk, the reader or the name server answers: never, where a network file system hangs.
 * Call it in the event `exit` alone, because no other listener runs after it. Does not return.
 *
 * 1. `_exit(2)`, through koffi: at once, with the exit code.
 * 2. Where koffi is not installed, `execve(2)`: the kernel ends all threads, and a bare Node.js in their place exits with the code.
 * 3. Where that fails too, SIGKILL: the exit code is lost. Process 1 of a container cannot send it to itself, so it comes last.
 */
export function exitAtOnce(code: number): void {
  if (awaitsSystem()) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, lastCallsMs)
  attempt(flushCompileCache)
  // Loaded only here, because most processes never need it; and not awaited, because nothing is awaited while a process ends.
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
    // The next way is tried.
  }
}
