import { builtInDefaults, type FieldWithDefault } from './built-in-defaults.ts'
import type { Close, PolicyFieldName, PolicySettings } from './policy-settings.ts'

/** How the targets of a service are checked. Durations are in milliseconds. */
export type Policy = {
  /** Null: on demand, so that only a request starts a check. */
  readonly intervalMs: number | null
  readonly timeoutMs: number
  readonly rise: number
  readonly fall: number
  /** The interval while a streak against the status builds. */
  readonly fastIntervalMs: number
  /** The interval while the target is down. */
  readonly downIntervalMs: number
  /** On demand: how long the last outcome is reused. */
  readonly maxAgeMs: number
  /** A target is not dialled again within this time, however often clients ask. */
  readonly minAgeMs: number
  readonly close: Close
  /** How long the last known addresses of a name are checked while look-ups of it fail. */
  readonly lookupHoldMs: number
  /** With `resolve: all`: how long an address that look-ups no longer return stays a target. Null: for three look-ups. */
  readonly holdMs: number | null
  /** How long a target may go unchecked while another replica takes it over; 0 without other replicas. */
  readonly handoverMs: number
  /**
   * The names of settings that this version of Porthole cannot read and without which its checks would be wrong. A replica leaves the service
   * to other replicas that can read them. Empty for nearly every service.
   */
  readonly unread: readonly string[]
}

/**
 * How long a target may go unchecked when one replica takes over from another that died, in milliseconds. The lease of the dead replica has to
 * run out, and another renewal follows.
 */
export const handoverMs = 8000

/** The settings that apply to every service that does not set its own. */
export type PolicyDefaults = PolicySettings & {
  readonly handoverMs?: number
  /** The names of settings in the defaults that this version cannot read, as in a policy. */
  readonly unread?: readonly string[]
}

/**
 * Builds a policy with a value for every field: the setting of the service, otherwise that of `defaults`, otherwise the built-in one. `unread`
 * are the names of the settings of the service that could not be read.
 */
export function buildPolicy(
  settings: PolicySettings,
  defaults: PolicyDefaults,
  unread: readonly string[] = [],
): Policy {
  const choose = <Name extends FieldWithDefault>(name: Name) =>
    settings[name] ?? defaults[name] ?? builtInDefaults[name]
  const interval = choose('interval')
  const intervalMs = interval === 'off' ? null : interval
  return {
    intervalMs,
    timeoutMs: choose('timeout'),
    rise: choose('rise'),
    fall: choose('fall'),
    fastIntervalMs: settings.fastInterval ?? defaults.fastInterval ?? intervalMs ?? 0,
    downIntervalMs: settings.downInterval ?? defaults.downInterval ?? intervalMs ?? 0,
    maxAgeMs: choose('maxAge'),
    minAgeMs: choose('minAge'),
    close: choose('close'),
    lookupHoldMs: choose('lookupHold'),
    holdMs: settings.hold ?? defaults.hold ?? null,
    handoverMs: defaults.handoverMs ?? 0,
    unread: [...new Set([...(defaults.unread ?? []), ...unread])],
  }
}

/** Returns settings from which `buildPolicy` builds the same policy without defaults, except for `handoverMs` and `unread`. */
export function settingsOf(policy: Policy): PolicySettings {
  const { intervalMs, fastIntervalMs, downIntervalMs, holdMs } = policy
  return {
    interval: intervalMs ?? 'off',
    timeout: policy.timeoutMs,
    rise: policy.rise,
    fall: policy.fall,
    // With `interval: off` these two may be missing. The policy then has 0, which is not a valid interval.
    fastInterval: fastIntervalMs === 0 ? undefined : fastIntervalMs,
    downInterval: downIntervalMs === 0 ? undefined : downIntervalMs,
    maxAge: policy.maxAgeMs,
    minAge: policy.minAgeMs,
    close: policy.close,
    lookupHold: policy.lookupHoldMs,
    hold: holdMs ?? undefined,
  } satisfies Record<PolicyFieldName, PolicySettings[PolicyFieldName]>
}
