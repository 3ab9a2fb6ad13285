import { constants, setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { portionsOf } from '../domain/portions.ts'
import { partsOf, type ServiceParts } from '../domain/service.ts'
import { type ConfigSources, parseConfig, type ReadConfig } from './config.ts'
import type { Problem } from './problem.ts'

/** What the main thread gives its worker: a file by its name and what is in it, and the rest. */
export type WorkerData = ConfigSources & { readonly name: string; readonly bytes: Uint8Array }

/**
 * From the worker: some services, or some problems (some advice, where there is a configuration), and at last the rest, less what was told
 * before. Whenever the main thread says anything it is given the next: all at once would hold it up for as long.
 */
export type Message =
  | { readonly services: readonly ServiceParts[] }
  | { readonly problems: readonly Problem[] }
  | { readonly read: ReadConfig }

/** How many services, with their targets, or how many problems are told at once: to take them in takes some 3 ms. */
const portion = { services: 500, targets: 2500 }
const problemPortion = 500

goBehindOthers()
const { name, bytes, targets, env } = workerData as WorkerData
const read = parseConfig({ file: { name, text: new TextDecoder().decode(bytes) }, targets, env })
const messages = messagesOf(read)
// One ahead, to be written while the one before is taken in.
tellNext()
tellNext()
parentPort?.on('message', tellNext)

function tellNext(): void {
  const { done, value } = messages.next()
  if (done) parentPort?.close()
  else parentPort?.postMessage(value)
}

function* messagesOf(read: ReadConfig): Generator<Message> {
  const [services, problems] = read.ok ? [read.config.services, read.advice] : [[], read.problems]
  const parts = services.values().map(partsOf)
  for (const some of portionsOf(parts, portion, ({ targets }) => targets.length)) yield { services: some }
  for (let at = 0; at < problems.length; at += problemPortion)
    yield { problems: problems.slice(at, at + problemPortion) }
  if (read.ok) yield { read: { ...read, config: { ...read.config, services: [] }, advice: [] } }
  else yield { read: { ok: false, problems: [] } }
}

/**
 * Of this thread alone, as Linux has it (setpriority(2)): those that check and answer go first wherever there are too few cores for all, and
 * a large file is in force the later.
 */
function goBehindOthers(): void {
  // Elsewhere it would be the whole process.
  if (process.platform !== 'linux') return
  try {
    setPriority(constants.priority.PRIORITY_BELOW_NORMAL)
  } catch {
    // A sandbox may refuse the call (seccomp(2)). Then the file is parsed all the same, only not behind the others: nobody has to know.
  }
}
