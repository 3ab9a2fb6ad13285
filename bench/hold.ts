// Preloaded into the Porthole that is measured (`NODE_OPTIONS=--import`): tells how long its event loop was held. A client that
// connects to the socket at `PORTHOLE_BENCH_HOLD` is told of the time since the client before, and then the time counts from there.
import { createServer } from 'node:net'
import { isMainThread } from 'node:worker_threads'

/** How often the event loop is to come by, in milliseconds. */
const everyMs = 1

const path = process.env.PORTHOLE_BENCH_HOLD
if (isMainThread && path !== undefined) measure(path)

function measure(socketPath: string): void {
  let longest = { ms: 0, cpuMs: 0 }
  let last = now()
  const timer = setInterval(() => {
    const next = now()
    const ms = next.ms - last.ms - everyMs
    if (ms > longest.ms) longest = { ms, cpuMs: next.cpuMs - last.cpuMs }
    last = next
  }, everyMs)
  timer.unref()
  const server = createServer((socket) => {
    socket.on('error', () => undefined).end(JSON.stringify(longest))
    longest = { ms: 0, cpuMs: 0 }
  })
  server.listen(socketPath).unref()
}

/** Now, and what this thread has computed so far, in milliseconds: a thread that waits for a core computes nothing. */
function now(): { ms: number; cpuMs: number } {
  const { user, system } = process.threadCpuUsage()
  return { ms: performance.now(), cpuMs: (user + system) / 1000 }
}
