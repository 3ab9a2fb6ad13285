import { setImmediate } from 'node:timers/promises'
import type { Registry } from '../monitor/registry/registry.ts'
import type { Registrations } from '../registrar/registrations.ts'
import type { SharedConfiguration } from '../replicas/config/shared-configuration.ts'

/** The config applier. It applies a file in batches of services, so that requests are answered in between. */
export type ConfigApplier = {
  /** Applies a file in place of the one before, which may not be applied completely yet. Resolves once the last file is in force. */
  put(file: SharedConfiguration): Promise<void>
  /** Stops after the current batch. */
  stop(): void
}

/**
 * Creates the config applier. It calls `onDone` for each file that was applied completely, with the number of its services and of the services
 * that were changed and removed.
 */
export function createConfigApplier({
  registry,
  registrations,
  onDone,
}: {
  registry: Pick<Registry, 'replace'>
  registrations: Pick<Registrations, 'setDefaults'>
  onDone: (done: { services: number; changed: number; removed: number }) => void
}): ConfigApplier {
  /** The file to apply next; null if none waits. */
  let next: SharedConfiguration | null = null
  let putting: Promise<void> | null = null
  let isStopped = false

  async function putOne({ services, groups, defaults }: SharedConfiguration): Promise<void> {
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
