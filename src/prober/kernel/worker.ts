import { performance } from 'node:perf_hooks'
import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { readEphemeralPorts } from './ephemeral-ports.ts'
import { loadLibc } from './libc.ts'
import { createDialLoop } from './loop.ts'
import { offsetFromMonotonic } from './monotonic.ts'
import { createOutbox } from './outbox.ts'
import { type Batch, createRecords } from './records.ts'
import { createSockets } from './sockets.ts'

/** The data that the main thread gives its worker. */
export type WorkerData = {
  readonly port: MessagePort
  /** An eventfd. The main thread writes to it to end the wait of the worker. */
  readonly wakeFd: number
  /** One byte per descriptor: 1 while the worker has it open. */
  readonly openFds: Uint8Array
  /** One number: when this thread last began a turn, by `now` below. The main thread reads it. */
  readonly turnedAt: Float64Array
  /** The offset from CLOCK_MONOTONIC to the clock of the prober, in milliseconds. */
  readonly clockOffset: number
}

/** A message between the threads. The main thread sends dials, or `close`. The worker sends `ready` once, and then results. */
export type Message = Batch | 'close' | 'ready'

/** The longest wait, in milliseconds. An exit of the process waits for this thread, which notices the exit only between waits. */
const longestWaitMs = 500

// The worker never returns to its event loop. The loop below waits in epoll_wait and polls the port after every wait.
const { port, wakeFd, openFds, turnedAt, clockOffset } = workerData as WorkerData
const libc = await loadLibc()
// In a worker, performance.now() counts from the start of the worker.
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
  if (open) loop.turn(longestWaitMs)
}
loop.close()
port.close()
