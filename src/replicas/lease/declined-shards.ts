import type { Service } from '../../domain/service/service.ts'
import type { Registry } from '../../monitor/registry/registry.ts'
import { shardOf } from './shards.ts'

/** The shards that this replica leaves to others, because they have a service that its version of Porthole cannot check. */
export type DeclinedShards = {
  /** Returns the shards in ascending order, each once. */
  list(): readonly number[]
  close(): void
}

/** Follows the registry. Calls `onChange` when the list may have changed. */
export function followDeclinedShards(registry: Registry, onChange: () => void): DeclinedShards {
  const unread = new Set<string>()

  function updateUnread(services: Iterable<Service>, removed: readonly string[]): boolean {
    const before = unread.size
    let hasChanged = false
    for (const name of removed) hasChanged = unread.delete(name) || hasChanged
    for (const { name, policy } of services) {
      if (policy.unread.length > 0) unread.add(name)
      else hasChanged = unread.delete(name) || hasChanged
    }
    return hasChanged || unread.size !== before
  }

  updateUnread(registry.services.values(), [])
  const stop = registry.changed.subscribe(({ put, removed }) => {
    if (updateUnread(put, removed)) onChange()
  })

  return {
    list: () => [...new Set([...unread].map(shardOf))].sort((a, b) => a - b),
    close: stop,
  }
}
