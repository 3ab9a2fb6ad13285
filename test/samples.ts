import type { Outcome, Reason } from '../src/domain/outcome.ts'
import type { Policy } from '../src/domain/policy.ts'
import {
  buildService,
  makeService,
  partsOf,
  type Service,
  type ServiceSettings,
  type Terms,
} from '../src/domain/service.ts'
import { parseTarget, type Target } from '../src/domain/target.ts'

/** A target from text that is known to be right. */
export function sampleTarget(text = 'pg:5432'): Target {
  const target = parseTarget(text)
  if (typeof target === 'string') throw new Error(target)
  return target
}

/** A service of these targets; everything not given is built in. */
export function sampleService(
  name: string,
  targets: readonly string[],
  settings: Omit<ServiceSettings, 'targets'> = {},
): Service {
  return buildService(name, { ...settings, targets: targets.map(sampleTarget) })
}

/** A service that is like another but for some of its terms. */
export function changedService(service: Service, changed: Partial<Terms>): Service {
  const parts = partsOf(service)
  return makeService({ ...parts, terms: { ...parts.terms, ...changed } })
}

/** The same, as somebody registers it over HTTP. */
export function registeredService(...given: Parameters<typeof sampleService>): Service {
  return changedService(sampleService(...given), { origin: 'http' })
}

/** A policy; everything not given is built in. */
export function samplePolicy(settings: Omit<ServiceSettings, 'targets'> = {}): Policy {
  return sampleService('pg', ['pg:5432'], settings).policy
}

/** What a check that ended at an instant found; it took a millisecond. */
export function sampleOutcome(reason: Reason, endedAt: number, more: Partial<Outcome> = {}): Outcome {
  return {
    reason,
    startedAt: endedAt - 1,
    endedAt,
    address: '10.0.0.5:5432',
    latencyMs: reason === 'connected' ? 0.5 : null,
    synRetransmits: 0,
    answer: null,
    icmp: null,
    code: null,
    note: null,
    lookupMs: null,
    lookupFailedSince: null,
    ...more,
  }
}
