import { Close } from './policy.ts'
import type { Service } from './service.ts'
import { makeTarget, type TargetParts } from './target.ts'

/** What a service is made of: as it is in another thread, or has come from there. */
export type ServiceParts = Omit<Service, 'targets'> & { readonly targets: readonly TargetParts[] }

/**
 * Makes services out of parts that are kept once for all that have them alike, and frozen. One that is `known` and defined the
 * same is taken from there, so that what a file still says after it changed is not kept twice.
 */
export function createInterning(known: ReadonlyMap<string, Service> = new Map()): (service: ServiceParts) => Service {
  const text = keepOne<string>()
  const quorumOf = keepOne<Service['quorum']>()
  const policyOf = keepOne<Service['policy']>((policy) => {
    return Object.freeze({ ...policy, close: Close.options.find((close) => close === policy.close) ?? policy.close })
  })
  const groupsOf = keepOne<Service['groups']>((groups) => Object.freeze(groups.map(text)))

  return (service) => {
    const before = known.get(service.name)
    if (before !== undefined && JSON.stringify(before) === JSON.stringify(service)) return before
    const { name, targets, quorum, groups, resolve, policy, origin } = service
    return Object.freeze({
      name,
      targets: Object.freeze(targets.map((parts) => Object.freeze(makeTarget(parts)))),
      quorum: quorumOf(quorum),
      groups: groupsOf(groups),
      // Written out, as the texts of a message from another thread are all new ones.
      resolve: resolve === 'all' ? 'all' : 'first',
      policy: policyOf(policy),
      origin: origin === 'http' ? 'http' : 'file',
    })
  }
}

/** Of values that are written alike in JSON the first is kept, as `make` makes it. */
function keepOne<Value>(make: (value: Value) => Value = (value) => value): (value: Value) => Value {
  const kept = new Map<string, Value>()
  return (value) => {
    const key = JSON.stringify(value)
    const first = kept.get(key) ?? make(value)
    kept.set(key, first)
    return first
  }
}
