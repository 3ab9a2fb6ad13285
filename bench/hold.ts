// Preloaded into the measured Porthole (`NODE_OPTIONS=--import`). Measures how long the event loop of that Porthole was blocked. A client that
// connects to the socket at `PORTHOLE_BENCH_HOLD` gets the figures since the previous client, and then the figures start again.
import { createServer } from 'node:net'
import { PerformanceObserver } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'

/** The interval at which the event loop has to come by, in milliseconds. */
const everyMs = 1
/** The shortest hold that is recorded, in milliseconds. */
const leastMs = 2

/**
 * The longest hold of the event loop, and the CPU time of the hold with the most CPU time, in milliseconds. CPU time leaves out the time in
 * which the thread waits for a core. `collectedMs` is the part of the CPU time that was garbage collection.
 */
export type Held = { readonly ms: number; readonly cpuMs: number; readonly collectedMs: number }

type Hold = { readonly from: number; readonly to: number; readonly cpuMs: number }

const path = process.env.PORTHOLE_BENCH_HOLD
if (isMainThread && path !== undefined) measure(path)

function measure(socketPath: string): void {
  let holds: Hold[] = []
  let collections: { readonly from: number; readonly ms: number }[] = []
  let last = performance.now()
  let lastCpuMs = cpuMs()
  setInterval(() => {
    const [now, nowCpuMs] = [performance.now(), cpuMs()]
    if (now - last - everyMs > leastMs) holds.push({ from: last, to: now, cpuMs: nowCpuMs - lastCpuMs })
    last = now
    lastCpuMs = nowCpuMs
  }, everyMs).unref()
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) collections.push({ from: startTime, ms: duration })
  }).observe({ entryTypes: ['gc'] })

  function tell(): Held {
    const most = holds.reduce((most, hold) => (hold.cpuMs > most.cpuMs ? hold : most), { from: 0, to: 0, cpuMs: 0 })
    const collected = collections.filter(({ from }) => from >= most.from && from <= most.to)
    const held = {
      ms: holds.reduce((longest, { from, to }) => Math.max(longest, to - from - everyMs), 0),
      cpuMs: most.cpuMs,
      collectedMs: collected.reduce((sum, { ms }) => sum + ms, 0),
    }
    holds = []
    collections = []
    return held
  }

  createServer((socket) => {
    // The observer gets the collections some turns after they happened.
    setTimeout(() => socket.on('error', () => undefined).end(JSON.stringify(tell())), 10)
  })
    .listen(socketPath)
    .unref()
}

/** Returns the CPU time of this thread so far, in milliseconds. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
