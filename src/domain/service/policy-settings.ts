import { z } from 'zod'
import { formatDuration } from '../values/duration.ts'
import { Duration } from '../values/duration-schema.ts'
import { quote } from '../values/quote.ts'
import { closeModes } from './built-in-defaults.ts'

/** The schema of a close mode. */
export const Close = z.enum(closeModes, {
  error: (issue) => `${quote(issue.input)} is not a close mode: write half-open, rst or fin`,
})
export type Close = (typeof closeModes)[number]

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

/** Uses `message` for a value of the wrong type. An unknown key keeps the message of zod, which names the key. */
const unlessUnknownKey = (message: (input: unknown) => string) => (issue: { code?: string; input?: unknown }) =>
  issue.code === 'unrecognized_keys' ? undefined : message(issue.input)

/** Reports only the error of the duration, because a union would report every branch that failed. */
const IntervalOrOff = z.union([z.literal('off'), Interval], {
  error: (issue) =>
    issue.code === 'invalid_union'
      ? `${issue.errors.at(-1)?.[0]?.message}, or off to check only when asked`
      : undefined,
})

/** A setting of a policy, as people write it and as the API describes it. */
type PolicyField = {
  /** The schema of the setting as people write it. */
  readonly setting: z.ZodType<string | number, unknown>
  /** A duration is parsed to milliseconds and written back as text. A word or a count is not converted. */
  readonly kind: 'duration' | 'word' | 'count'
  readonly description: string
}

/**
 * Every setting of a policy. The schemas of the file and the API, the text of registrations and the shared configuration of replicas are derived
 * from this list. `builtInDefaults` has their defaults.
 */
export const policyFields = {
  interval: {
    setting: IntervalOrOff,
    kind: 'duration',
    description: 'How often each target is checked; `off`: only when asked.',
  },
  timeout: {
    setting: Duration(10, 300 * second),
    kind: 'duration',
    description: 'How long a check may take, name look-up included.',
  },
  rise: {
    setting: count('up'),
    kind: 'count',
    description: 'How many outcomes in a row turn a target up.',
  },
  fall: {
    setting: count('down'),
    kind: 'count',
    description: 'How many outcomes in a row turn a target down.',
  },
  fastInterval: {
    setting: Interval,
    kind: 'duration',
    description:
      'How often a target is checked while a streak against its status builds. Absent with `interval: off` unless set.',
  },
  downInterval: {
    setting: Interval,
    kind: 'duration',
    description: 'How often a target is checked while it is down. Absent with `interval: off` unless set.',
  },
  maxAge: {
    setting: age,
    kind: 'duration',
    description: 'On demand: how long the last outcome is reused.',
  },
  minAge: {
    setting: age,
    kind: 'duration',
    description: 'A target is not dialled again within this time, however often clients ask.',
  },
  close: {
    setting: Close,
    kind: 'word',
    description: 'How a check ends its connection.',
  },
  lookupHold: {
    setting: Duration(0, 30 * 86_400 * second),
    kind: 'duration',
    description: 'How long the last known addresses of a name are checked while it cannot be looked up.',
  },
  hold: {
    setting: age,
    kind: 'duration',
    description:
      'With `resolve: all`: how long an address that look-ups no longer return stays a target. Absent: for three look-ups.',
  },
} as const satisfies Record<string, PolicyField>
export type PolicyFieldName = keyof typeof policyFields

/** Returns the entries of an object with the type of its keys. */
function entriesOf<Key extends string, Value>(record: Readonly<Record<Key, Value>>): [Key, Value][] {
  return Object.entries(record) as [Key, Value][]
}

type PolicyShape = { [Name in PolicyFieldName]: z.ZodOptional<(typeof policyFields)[Name]['setting']> }

/** The settings of a policy as written. Every field is optional, because the defaults fill it in. */
export const PolicySettings = z.strictObject(
  Object.fromEntries(
    entriesOf<PolicyFieldName, PolicyField>(policyFields).map(([name, { setting }]) => [name, setting.optional()]),
  ) as PolicyShape,
  {
    error: unlessUnknownKey(
      (input) => `${quote(input)} is not a set of defaults: write { interval: 10s, timeout: 2s }`,
    ),
  },
)
export type PolicySettings = z.infer<typeof PolicySettings>

/**
 * Writes the settings of a policy as people do, with units on durations. Settings that are undefined stay out. Words and counts come before
 * durations. This order must not change, because Porthole compares the text of a registration with the text that other versions wrote.
 */
export function describePolicy(settings: PolicySettings): Partial<Record<PolicyFieldName, string | number>> {
  const isDuration = (name: PolicyFieldName) => policyFields[name].kind === 'duration'
  const names = Object.keys(policyFields) as PolicyFieldName[]
  const inOrder = [...names.filter((name) => !isDuration(name)), ...names.filter(isDuration)]
  return Object.fromEntries(
    inOrder.flatMap((name) => {
      const value = settings[name]
      if (value === undefined) return []
      return [[name, isDuration(name) && typeof value === 'number' ? formatDuration(value) : value]]
    }),
  )
}
