import { parentPort, workerData } from 'node:worker_threads'
import type { Service } from '../domain/service.ts'
import { type ConfigSources, parseConfig, type ReadConfig } from './config.ts'
import type { Problem } from './problem.ts'

/** What the main thread gives its worker: a file by its name and what is in it, and the rest. */
export type WorkerData = ConfigSources & { readonly name: string; readonly bytes: Uint8Array }

/**
 * From the worker: some services, or some problems (where there is a configuration, some advice), until it says that this was all. What is so
 * told is left out of `read`.
 */
export type Message =
  | { readonly services: readonly Service[] }
  | { readonly problems: readonly Problem[] }
  | { readonly read: ReadConfig }

/** How many of them are told at once: to take them in takes the main thread some 5 ms. */
const portion = 1000

const { name, bytes, targets, env } = workerData as WorkerData
const read = parseConfig({ file: { name, text: new TextDecoder().decode(bytes) }, targets, env })
if (read.ok) {
  const { config, advice } = read
  for (const services of portionsOf(config.services)) tell({ services })
  for (const problems of portionsOf(advice)) tell({ problems })
  tell({ read: { ...read, config: { ...config, services: [] }, advice: [] } })
} else {
  for (const problems of portionsOf(read.problems)) tell({ problems })
  tell({ read: { ok: false, problems: [] } })
}

function tell(message: Message): void {
  parentPort?.postMessage(message)
}

function* portionsOf<Item>(items: readonly Item[]): Generator<readonly Item[]> {
  for (let at = 0; at < items.length; at += portion) yield items.slice(at, at + portion)
}
