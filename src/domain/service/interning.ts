import { closeModes } from './built-in-defaults.ts'
import { makeService, type Service, type ServiceParts, type SharedSettings } from './service.ts'

/**
 * Returns a function that builds services which share equal parts, such as a policy or a list of groups. Shared parts are frozen. If `known`
 * has a service with the same definition, the function returns that one, so that a reloaded file does not double the memory.
 */
export function createInterning(known: ReadonlyMap<string, Service> = new Map()): (parts: ServiceParts) => Service {
  const text = keepOne<string>()
  const quorumOf = keepOne<SharedSettings['quorum']>()
  const policyOf = keepOne<SharedSettings['policy']>((policy) => {
    const close = closeModes.find((close) => close === policy.close) ?? policy.close
    return Object.freeze({ ...policy, close, unread: Object.freeze(policy.unread.map(text)) })
  })
  const groupsOf = keepOne<Service['groups']>((groups) => Object.freeze(groups.map(text)))
  const sharedSettingsOf = keepOne<SharedSettings>(({ quorum, resolve, policy, origin, expiredTtlMs }) =>
    Object.freeze({
      quorum: quorumOf(quorum),
      // Literals, because every string in a message from another thread is a new copy.
      resolve: resolve === 'all' ? 'all' : 'first',
      policy: policyOf(policy),
      origin: origin === 'http' ? 'http' : 'file',
      expiredTtlMs,
    }),
  )

  return ({ name, targets, groups, sharedSettings }) => {
    const service = makeService({
      name,
      targets,
      groups: groupsOf(groups),
      sharedSettings: sharedSettingsOf(sharedSettings),
    })
    const before = known.get(name)
    return before !== undefined && JSON.stringify(before) === JSON.stringify(service) ? before : service
  }
}

/** Returns a function that maps values with equal JSON to one shared value, which `make` builds from the first of them. */
function keepOne<Value>(make: (value: Value) => Value = (value) => value): (value: Value) => Value {
  const kept = new Map<string, Value>()
  // Consecutive services mostly have the identical value.
  let last: { readonly given: Value; readonly kept: Value } | null = null
  return (value) => {
    if (last?.given === value) return last.kept
    const key = JSON.stringify(value)
    const first = kept.get(key) ?? make(value)
    kept.set(key, first)
    last = { given: value, kept: first }
    return first
  }
}
