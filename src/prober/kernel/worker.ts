import { readFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { loadLibc } from './libc.ts'
import { createDialLoop } from './loop.ts'
import { offsetFromMonotonic } from './monotonic.ts'
import { createOutbox } from './outbox.ts'
import { type Batch, createRecords } from './records.ts'
import { createSockets } from './sockets.ts'

/** What the main thread gives its worker. */
export type WorkerData = {
  readonly port: MessagePort
  /** Written to by the main thread to end the worker's wait. */
  readonly wakeFd: number
  /** One byte a descriptor, 1 while it is the worker's. */
  readonly openFds: Uint8Array
  /** Holds when this thread last took a turn, by `now` below. The main thread reads it. */
  readonly turnedAt: Float64Array
  /** What to add to CLOCK_MONOTONIC, in milliseconds, for an instant of the prober's clock. */
  readonly clockOffset: number
}

/** From the main thread: dials to make, or `close`. From the worker: `ready` once, then findings. */
export type Message = Batch | 'close' | 'ready'

// This thread never returns to its event loop: it waits in epoll_wait, and looks at its port after every wait.
const { port, wakeFd, openFds, turnedAt, clockOffset } = workerData as WorkerData
const libc = await loadLibc()
// performance.now() of a worker counts from the worker's start.
const offset = clockOffset - offsetFromMonotonic(() => performance.now())
const now = () => performance.now() + offset
const records = createRecords(libc)
const loop = createDialLoop({
  libc,
  sockets: createSockets(libc, readEphemeralPorts()),
  outbox: createOutbox(records, (findings) => port.postMessage(findings)),
  wakeFd,
  now,
  mark: (fd, open) => {
    openFds[fd] = open ? 1 : 0
  },
})
port.postMessage('ready' satisfies Message)

for (let open = true; open; ) {
  for (let received = receiveMessageOnPort(port); received !== undefined; received = receiveMessageOnPort(port)) {
    const message = received.message as Message
    if (message === 'close') open = false
    else if (message !== 'ready') loop.add(records.unpackDials(message))
  }
  turnedAt[0] = now()
  if (open) loop.turn()
}
loop.close()
port.close()

/** Which ports the kernel dials from (ip(7), ip_local_port_range). */
function readEphemeralPorts(): [number, number] {
  const [low = 0, high = 65_535] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')
    .trim()
    .split(/\s+/)
    .map(Number)
  return [low, high]
}
