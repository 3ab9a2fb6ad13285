import { MessageChannel, Worker } from 'node:worker_threads'
import type { Batch } from './records.ts'
import type { Message, WorkerData } from './worker.ts'

/**
 * The memory limits of the worker. Without them V8 would use a share of the machine's memory before it collects any garbage. 10,000 sockets in use
 * take about 10 MB.
 */
const resourceLimits = { maxYoungGenerationSizeMb: 12, maxOldGenerationSizeMb: 128 }

/** The dial loop, as the prober sees it. `exited` resolves once the loop has closed its descriptors. */
export type RunningLoop = { post(message: Message): void; readonly exited: Promise<void> }

/** Starts a worker. Resolves once it is ready; rejects if it dies before. If it ends later, `onDeath` is called. */
export function runWorker(
  data: Omit<WorkerData, 'port'>,
  receive: (findings: Batch) => void,
  onDeath: () => void,
): Promise<RunningLoop> {
  const { port1: port, port2 } = new MessageChannel()
  const workerData: WorkerData = { ...data, port: port2 }
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    workerData,
    transferList: [port2],
    resourceLimits,
  })
  return new Promise((ready, fail) => {
    let isReady = false
    let cause: unknown = new Error('its worker ended before it was ready')
    const exited = new Promise<void>((done) => worker.once('exit', () => done()))
    worker.once('error', (error) => {
      cause = error
    })
    void exited.then(() => {
      port.close()
      if (isReady) onDeath()
      else fail(cause)
    })
    port.on('message', (message: Message) => {
      if (message instanceof Float64Array) receive(message)
      else if (message === 'ready') {
        isReady = true
        ready({ post: (text) => port.postMessage(text), exited })
      }
    })
  })
}
