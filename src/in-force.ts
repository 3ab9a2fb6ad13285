import { setImmediate } from 'node:timers/promises'
import type { Registry } from './monitor/registry.ts'
import type { Registrations } from './registrar/registrations.ts'
import type { SharedFile } from './replicas/shared-file.ts'

/** What a configuration file defines, put in force some services at a time: whoever asks for something meanwhile is answered. */
export type InForce = {
  /** Puts it in the place of what was put before, also where that is not through yet. Resolves once what was put last is in force. */
  put(file: SharedFile): Promise<void>
  /** Stops where it is. */
  stop(): void
}

/** `onDone` is told of each file that came through: of its services, and how many were changed and removed for it. */
export function createInForce({
  registry,
  registrations,
  onDone,
}: {
  registry: Pick<Registry, 'replace'>
  registrations: Pick<Registrations, 'setDefaults'>
  onDone: (done: { services: number; changed: number; removed: number }) => void
}): InForce {
  /** What is to be put next. */
  let next: SharedFile | null = null
  let putting: Promise<void> | null = null
  let isStopped = false

  async function putOne({ services, groups, defaults }: SharedFile): Promise<void> {
    const replacing = registry.replace(services, groups)
    let step = replacing.next()
    while (!step.done) {
      await setImmediate()
      if (next !== null || isStopped) return
      step = replacing.next()
    }
    await registrations.setDefaults(defaults)
    if (next === null) onDone({ services: services.length, ...step.value })
  }

  async function putAll(): Promise<void> {
    for (let file = next; file !== null && !isStopped; file = next) {
      next = null
      await putOne(file)
    }
    putting = null
  }

  return {
    put(file) {
      if (isStopped) return Promise.resolve()
      next = file
      putting ??= putAll()
      return putting
    },
    stop() {
      isStopped = true
    },
  }
}
