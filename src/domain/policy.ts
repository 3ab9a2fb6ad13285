import {
  builtInDefaults,
  type Close,
  type FieldWithDefault,
  type PolicyFieldName,
  type PolicySettings,
} from './policy-settings.ts'

/** How a service's targets are checked. Durations in milliseconds. */
export type Policy = {
  /** Null: checked only when asked. */
  readonly intervalMs: number | null
  readonly timeoutMs: number
  readonly rise: number
  readonly fall: number
  /** While a streak is building. */
  readonly fastIntervalMs: number
  /** While settled down. */
  readonly downIntervalMs: number
  /** On demand: how long the last outcome is good enough. */
  readonly maxAgeMs: number
  /** A target is not dialled again within this time, however often it is asked for. */
  readonly minAgeMs: number
  readonly close: Close
  /** How long the last known addresses of a name are checked while look-ups of it fail. */
  readonly lookupHoldMs: number
  /** With `resolve: all`: how long an address that look-ups no longer return stays a target. Null: for three look-ups. */
  readonly holdMs: number | null
  /** How long a target may go unchecked while another replica takes it over; 0 where there is none. */
  readonly handoverMs: number
  /**
   * The names of settings that this version of Porthole cannot read, and without which its checks would be wrong: it leaves such a service to
   * replicas that can. Empty for nearly every service.
   */
  readonly unread: readonly string[]
}

/**
 * How long a target may go unchecked, in milliseconds, when one replica takes over from another that died: until its lease has run out,
 * and a renewal more.
 */
export const handoverMs = 8000

/** What holds for services that do not say otherwise. */
export type PolicyDefaults = PolicySettings & {
  readonly handoverMs?: number
  /** Settings of the defaults that this version cannot read, as in a policy. */
  readonly unread?: readonly string[]
}

/**
 * Builds a policy with every field decided: the service's own, else the file's `defaults`, else the built-in one. `unread` are the
 * settings of the service that could not be read.
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

/** Returns the settings from which `buildPolicy` makes the same policy without any defaults, apart from `handoverMs` and `unread`. */
export function settingsOf(policy: Policy): PolicySettings {
  const { intervalMs, fastIntervalMs, downIntervalMs, holdMs } = policy
  return {
    interval: intervalMs ?? 'off',
    timeout: policy.timeoutMs,
    rise: policy.rise,
    fall: policy.fall,
    // A service that is only checked when asked need not have these two. They are then 0, which is no interval.
    fastInterval: fastIntervalMs === 0 ? undefined : fastIntervalMs,
    downInterval: downIntervalMs === 0 ? undefined : downIntervalMs,
    maxAge: policy.maxAgeMs,
    minAge: policy.minAgeMs,
    close: policy.close,
    lookupHold: policy.lookupHoldMs,
    hold: holdMs ?? undefined,
  } satisfies Record<PolicyFieldName, PolicySettings[PolicyFieldName]>
}
