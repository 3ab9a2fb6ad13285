import type { Outcome, Reason } from '../../src/domain/check/outcome.ts'
import type { Policy } from '../../src/domain/service/policy.ts'
import {
  buildService,
  makeService,
  partsOf,
  type Service,
  type ServiceSettings,
  type SharedSettings,
} from '../../src/domain/service/service.ts'
import { parseTarget, type Target } from '../../src/domain/target/target.ts'

/** Parses a target from text that is known to be valid. */
export function sampleTarget(text = 'pg:5432'): Target {
  const target = parseTarget(text)
  if (typeof target === 'string') throw new Error(target)
  return target
}

/** Creates a service of these targets. All other settings are the built-in ones. */
export function sampleService(
  name: string,
  targets: readonly string[],
  settings: Omit<ServiceSettings, 'targets'> = {},
): Service {
  return buildService(name, { ...settings, targets: targets.map(sampleTarget) })
}

/** Copies a service and changes some of its settings. */
export function changedService(service: Service, changed: Partial<SharedSettings>): Service {
  const parts = partsOf(service)
  return makeService({ ...parts, sharedSettings: { ...parts.sharedSettings, ...changed } })
}

/** Creates the same service as if a client had registered it over HTTP. */
export function registeredService(...given: Parameters<typeof sampleService>): Service {
  return changedService(sampleService(...given), { origin: 'http' })
}

/** Creates a policy. All other settings are the built-in ones. */
export function samplePolicy(settings: Omit<ServiceSettings, 'targets'> = {}): Policy {
  return sampleService('pg', ['pg:5432'], settings).policy
}

/** Creates the outcome of a check that ended at an instant and took one millisecond. */
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
