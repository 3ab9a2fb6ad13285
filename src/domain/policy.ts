import { z } from 'zod'
import { Duration } from './duration.ts'
import { quote } from './quote.ts'

/** How a check ends its connection: never completed, with RST, or with FIN. */
export const Close = z.enum(['half-open', 'rst', 'fin'], {
  error: (issue) => `${quote(issue.input)} is not a close mode: write half-open, rst or fin`,
})
export type Close = z.infer<typeof Close>

const second = 1000
const Interval = Duration(100, 86_400 * second)
const age = Duration(0, 86_400 * second)
const count = (what: string) =>
  z
    .number({
      error: (issue) =>
        `${quote(issue.input)} is not a count: write how many outcomes in a row turn a target ${what}, 1 to 100`,
    })
    .refine((n) => Number.isInteger(n) && n >= 1 && n <= 100, {
      error: (issue) =>
        `${quote(issue.input)} is out of range: write how many outcomes in a row turn a target ${what}, 1 to 100`,
    })
    .meta({ override: { type: 'integer', minimum: 1, maximum: 100 } })

/** A wrong type gets this message; an unknown key keeps zod's own, which names it. */
const unlessUnknownKey = (message: (input: unknown) => string) => (issue: { code?: string; input?: unknown }) =>
  issue.code === 'unrecognized_keys' ? undefined : message(issue.input)

/** A union reports every branch that failed; here only what is wrong with the duration helps. */
const IntervalOrOff = z.union([z.literal('off'), Interval], {
  error: (issue) =>
    issue.code === 'invalid_union'
      ? `${issue.errors.at(-1)?.[0]?.message}, or off to check only when asked`
      : undefined,
})

/** How a service's targets are checked, as written: every field may be left to the defaults. */
export const PolicySettings = z.strictObject(
  {
    interval: IntervalOrOff.optional(),
    timeout: Duration(10, 300 * second).optional(),
    rise: count('up').optional(),
    fall: count('down').optional(),
    fastInterval: Interval.optional(),
    downInterval: Interval.optional(),
    maxAge: age.optional(),
    minAge: age.optional(),
    close: Close.optional(),
  },
  {
    error: unlessUnknownKey(
      (input) => `${quote(input)} is not a set of defaults: write { interval: 10s, timeout: 2s }`,
    ),
  },
)
export type PolicySettings = z.infer<typeof PolicySettings>

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
  /** How long a target may go unchecked while another replica takes it over; 0 where there is none. */
  readonly handoverMs: number
}

/**
 * How long a target may go unchecked, in milliseconds, when one replica takes over from another that died: until its lease has run out,
 * and a renewal more.
 */
export const handoverMs = 8000

/** What holds for services that do not say otherwise. */
export type PolicyDefaults = PolicySettings & { readonly handoverMs?: number }

/** What applies where neither the service nor `defaults` says anything. */
export const builtInDefaults = {
  interval: 10 * second,
  timeout: 2 * second,
  rise: 2,
  fall: 3,
  maxAge: 5 * second,
  minAge: second,
  close: 'half-open',
} satisfies PolicySettings

/** A policy with every field decided: the service's own, else the file's `defaults`, else built in. */
export function buildPolicy(settings: PolicySettings, defaults: PolicyDefaults): Policy {
  const choose = <Field extends keyof typeof builtInDefaults>(field: Field) =>
    settings[field] ?? defaults[field] ?? builtInDefaults[field]
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
    handoverMs: defaults.handoverMs ?? 0,
  }
}
