import { adviseOnGroup, adviseOnName } from '../domain/service/name-advice.ts'
import { adviceFor } from '../domain/service/policy-advice.ts'
import type { PolicySettings } from '../domain/service/policy-settings.ts'
import type { Service } from '../domain/service/service.ts'
import type { Finding } from './problem.ts'
import type { FileSettings } from './settings.ts'

/**
 * Returns advice on settings that work but will surprise the operator. Each piece has the place of the value that causes it. Advice on a value
 * in `defaults` comes once, not for every service that inherits it.
 */
export function advise(settings: FileSettings, services: readonly Service[]): Finding[] {
  const own = new Map(Object.entries(settings.services ?? {}))
  const advice = new Map<string, Finding>()
  for (const service of services) {
    const isWritten =
      (source: (PolicySettings & { targets?: unknown }) | undefined) => (field: keyof PolicySettings | 'targets') =>
        source?.[field] !== undefined
    for (const { fields, message } of adviceFor(service, own.get(service.name))) {
      const ownField = fields.find(isWritten(own.get(service.name)))
      const defaultField = fields.find(isWritten(settings.defaults))
      const field = ownField ?? defaultField
      if (field === undefined) continue
      const path = ownField === undefined ? ['defaults', field] : ['services', service.name, field]
      const key = JSON.stringify([path, message])
      if (!advice.has(key)) advice.set(key, { path, part: 'value', message })
    }
  }
  return [...adviseOnNames(own.keys()), ...adviseOnGroups(settings.services), ...advice.values()]
}

function adviseOnNames(names: Iterable<string>): Finding[] {
  const advice: Finding[] = []
  for (const name of names) {
    const message = adviseOnName(name)
    if (message !== null) advice.push({ path: ['services', name], part: 'key', message })
  }
  return advice
}

/** Returns at most one piece of advice for each group, at the first service that names it. */
function adviseOnGroups(services: FileSettings['services']): Finding[] {
  const advice = new Map<string, Finding>()
  for (const [service, { groups = [] }] of Object.entries(services ?? {}))
    for (const [index, group] of groups.entries()) {
      const message = advice.has(group) ? null : adviseOnGroup(group)
      if (message !== null) advice.set(group, { path: ['services', service, 'groups', index], part: 'value', message })
    }
  return [...advice.values()]
}
