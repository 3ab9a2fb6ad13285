import { createRequire, flushCompileCache } from 'node:module'

/**
 * Ends the process without waiting for threads, with _exit(2). `process.exit` joins the threads of libuv's pool, and one that is in
 * getaddrinfo returns only once its look-up has ended, which takes a silent name server seconds. It is for the end of a process alone: no
 * other listener of the event `exit` runs after it. Returns only where the system has no such call.
 */
export function exitAtOnce(code: number): void {
  try {
    flushCompileCache()
    // Loaded only here, because most processes never need it; and not awaited, because nothing is awaited while a process ends.
    const { default: koffi } = createRequire(import.meta.url)('koffi') as typeof import('koffi')
    koffi.load(null).func('void _exit(int)')(code)
  } catch {
    // Then the process ends when the look-up does.
  }
}
