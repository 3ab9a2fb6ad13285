import { z } from 'zod'
import { Duration } from './duration.ts'
import { membersNeeded, Quorum, unreachableQuorum } from './quorum.ts'
import { quote } from './quote.ts'
import { Target, targetKey } from './target.ts'

/** How a check ends its connection: never completed, with RST, or with FIN. */
export const Close = z.enum(['half-open', 'rst', 'fin'], {
  error: (issue) => `${quote(issue.input)} is not a close mode: write half-open, rst or fin`,
})
export type Close = z.infer<typeof Close>

/** Which addresses of a name are dialled: the first that the system returns, or each as a member of its own. */
export const Resolve = z.enum(['first', 'all'], {
  error: (issue) => `${quote(issue.input)} is not a way to resolve: write first or all`,
})
export type Resolve = z.infer<typeof Resolve>

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
}

const nameOf = (what: string) =>
  z
    .string({
      error: (issue) => `${quote(issue.input)} is not a ${what} name: write text of 1 to 200 characters`,
    })
    .regex(/^(?! )[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]{1,200}(?<! )$/u, {
      error: (issue) =>
        `${quote(issue.input)} is not a ${what} name: write 1 to 200 characters, without control characters or spaces at its ends`,
    })

export const ServiceName = nameOf('service')
export const GroupName = nameOf('group')

/** A set of services, and how many of them must be up. */
export type Group = { readonly name: string; readonly quorum: Quorum }

function countable(value: unknown): boolean {
  const { targets, quorum } = (value ?? {}) as Partial<Record<string, unknown>>
  return Array.isArray(targets) && targets.length > 0 && ['number', 'string'].includes(typeof quorum)
}

const Targets = z
  .array(Target, {
    error: (issue) =>
      issue.input === undefined
        ? 'targets is missing: write targets: [host:port]'
        : `${quote(issue.input)} is not a list of targets: write [host:port]`,
  })
  .min(1, 'no targets: write at least one host:port')
  .superRefine(
    (targets, ctx) => {
      const seen = new Set<string>()
      for (const [index, target] of targets.entries()) {
        if (typeof target?.host !== 'string' || typeof target.name !== 'string') continue
        if (seen.has(targetKey(target))) {
          ctx.addIssue({ code: 'custom', path: [index], message: `${quote(target.name)} is listed twice: remove one` })
        }
        seen.add(targetKey(target))
      }
    },
    // Also beside targets that are wrong, so that one reading finds every problem.
    { when: ({ value }) => Array.isArray(value) },
  )

/** What a service may say of itself; `ttl` only where it is sent to the API. */
const serviceKeys = ['targets', 'quorum', 'groups', 'resolve', ...Object.keys(PolicySettings.shape), 'ttl']

/** A service as written in configuration or sent to the API. */
export const ServiceSettings = z
  .strictObject(
    {
      targets: Targets,
      quorum: Quorum.optional(),
      groups: z
        .array(GroupName, { error: (issue) => `${quote(issue.input)} is not a list of groups: write [name]` })
        .optional(),
      resolve: Resolve.optional(),
      ...PolicySettings.shape,
    },
    {
      error: (issue) =>
        issue.code === 'unrecognized_keys'
          ? `unknown key ${issue.keys.join(', ')}: the keys are ${serviceKeys.join(', ')}`
          : `${quote(issue.input)} is not a service: write { targets: [host:port] }`,
    },
  )
  .superRefine(
    (service, ctx) => {
      const total = service.targets.length
      // How many members a name brings is not known yet.
      if (service.resolve === 'all' || service.quorum === undefined || membersNeeded(service.quorum, total) <= total)
        return
      ctx.addIssue({ code: 'custom', path: ['quorum'], message: unreachableQuorum(service.quorum, total, 'target') })
    },
    // Also beside other fields that are wrong.
    { when: ({ value }) => countable(value) },
  )
export type ServiceSettings = z.infer<typeof ServiceSettings>

/** A named thing people ask about. */
export type Service = {
  readonly name: string
  readonly targets: readonly Target[]
  readonly quorum: Quorum
  readonly groups: readonly string[]
  readonly resolve: Resolve
  readonly policy: Policy
  /** Who defined it: the operator, by the file or the command line; or somebody over HTTP, who may not have everything dialled. */
  readonly origin: Origin
}
export type Origin = 'file' | 'http'

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

/** A service with every field decided: its own, else the file's `defaults`, else built in. */
export function buildService(
  name: string,
  settings: ServiceSettings,
  defaults: PolicySettings = {},
  origin: Origin = 'file',
): Service {
  const choose = <Field extends keyof typeof builtInDefaults>(field: Field) =>
    settings[field] ?? defaults[field] ?? builtInDefaults[field]
  const interval = choose('interval')
  const intervalMs = interval === 'off' ? null : interval
  return {
    name,
    targets: settings.targets,
    quorum: settings.quorum ?? 'all',
    groups: [...new Set(settings.groups)],
    resolve: settings.resolve ?? 'first',
    policy: {
      intervalMs,
      timeoutMs: choose('timeout'),
      rise: choose('rise'),
      fall: choose('fall'),
      fastIntervalMs: settings.fastInterval ?? defaults.fastInterval ?? intervalMs ?? 0,
      downIntervalMs: settings.downInterval ?? defaults.downInterval ?? intervalMs ?? 0,
      maxAgeMs: choose('maxAge'),
      minAgeMs: choose('minAge'),
      close: choose('close'),
    },
    origin,
  }
}
