import { Close } from './policy-settings.ts'
import { makeService, type Service, type ServiceParts, type Terms } from './service.ts'

/**
 * Makes services out of parts that are kept once for all that have them alike, and frozen. One that is `known` and defined the
 * same is taken from there, so that what a file still says after it changed is not kept twice.
 */
export function createInterning(known: ReadonlyMap<string, Service> = new Map()): (parts: ServiceParts) => Service {
  const text = keepOne<string>()
  const quorumOf = keepOne<Terms['quorum']>()
  const policyOf = keepOne<Terms['policy']>((policy) => {
    const close = Close.options.find((close) => close === policy.close) ?? policy.close
    return Object.freeze({ ...policy, close, unread: Object.freeze(policy.unread.map(text)) })
  })
  const groupsOf = keepOne<Service['groups']>((groups) => Object.freeze(groups.map(text)))
  const termsOf = keepOne<Terms>(({ quorum, resolve, policy, origin, expiredTtlMs }) =>
    Object.freeze({
      quorum: quorumOf(quorum),
      // Written out, as the texts of a message from another thread are all new ones.
      resolve: resolve === 'all' ? 'all' : 'first',
      policy: policyOf(policy),
      origin: origin === 'http' ? 'http' : 'file',
      expiredTtlMs,
    }),
  )

  return ({ name, targets, groups, terms }) => {
    const service = makeService({ name, targets, groups: groupsOf(groups), terms: termsOf(terms) })
    const before = known.get(name)
    return before !== undefined && JSON.stringify(before) === JSON.stringify(service) ? before : service
  }
}

/** Of values that are written alike in JSON the first is kept, as `make` makes it. */
function keepOne<Value>(make: (value: Value) => Value = (value) => value): (value: Value) => Value {
  const kept = new Map<string, Value>()
  // Services that come together mostly have the very same.
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
