import { constants, setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { batchesOf } from '../../domain/service/batches.ts'
import { partsOf, type ServiceParts } from '../../domain/service/service.ts'
import { type ConfigSources, parseConfig, type ReadConfig } from '../config.ts'
import type { Problem } from '../problem.ts'

/** The data that the main thread gives the worker: the name and bytes of a file, and the other sources. */
export type WorkerData = ConfigSources & { readonly name: string; readonly bytes: Uint8Array }

/**
 * A message from the worker: some services, or some problems, or at last the rest. If there is a configuration, the problems are advice. The
 * worker sends one message for each message of the main thread, because all at once would block the main thread for too long.
 */
export type Message =
  | { readonly services: readonly ServiceParts[] }
  | { readonly problems: readonly Problem[] }
  | { readonly read: ReadConfig }

/** The size of a batch of services with their targets, and of a batch of problems: receiving one takes about 3 ms. */
const batch = { services: 500, targets: 2500 }
const problemBatch = 500

lowerPriority()
const { name, bytes, targets, env } = workerData as WorkerData
const read = parseConfig({ file: { name, text: new TextDecoder().decode(bytes) }, targets, env })
const messages = messagesOf(read)
// Send one message ahead, so that the worker writes it while the main thread takes in the one before.
sendNext()
sendNext()
parentPort?.on('message', sendNext)

function sendNext(): void {
  const { done, value } = messages.next()
  if (done) parentPort?.close()
  else parentPort?.postMessage(value)
}

function* messagesOf(read: ReadConfig): Generator<Message> {
  const [services, problems] = read.ok ? [read.config.services, read.advice] : [[], read.problems]
  const parts = services.values().map(partsOf)
  for (const some of batchesOf(parts, batch, ({ targets }) => targets.length)) yield { services: some }
  for (let at = 0; at < problems.length; at += problemBatch) yield { problems: problems.slice(at, at + problemBatch) }
  if (read.ok) yield { read: { ...read, config: { ...read.config, services: [] }, advice: [] } }
  else yield { read: { ok: false, problems: [] } }
}

/**
 * Lowers the priority of this thread, which Linux can do for a single thread (setpriority(2)). If there are too few cores, the threads that
 * check and answer go first, and a large file is in force later.
 */
function lowerPriority(): void {
  // On other systems the call would change the whole process.
  if (process.platform !== 'linux') return
  try {
    setPriority(constants.priority.PRIORITY_BELOW_NORMAL)
  } catch {
    // A sandbox may refuse the call (seccomp(2)). Then the file is parsed with the same priority as other work, which needs no log line.
  }
}
