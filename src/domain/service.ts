import { z } from 'zod'
import { buildPolicy, type Policy, type PolicyDefaults, PolicySettings } from './policy.ts'
import { membersNeeded, Quorum, unreachableQuorum } from './quorum.ts'
import { quote } from './quote.ts'
import { Target, targetKey } from './target.ts'

/** Which addresses of a name are dialled: the first that the system returns, or each as a member of its own. */
export const Resolve = z.enum(['first', 'all'], {
  error: (issue) => `${quote(issue.input)} is not a way to resolve: write first or all`,
})
export type Resolve = z.infer<typeof Resolve>

const nameOf = (what: string) =>
  z
    .string({
      error: (issue) => `${quote(issue.input)} is not a ${what} name: write text of 1 to 200 characters`,
    })
    .regex(/^(?! )[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]{1,200}(?<! )$/u, {
      error: (issue) =>
        `${quote(issue.input)} is not a ${what} name: write 1 to 200 characters, without control characters or spaces at its ends`,
    })

/** `.` and `..` are taken out of every URL before it is sent (WHATWG URL §4.5): who asks for them is told of something else. */
export const ServiceName = nameOf('service').regex(/^(?!\.{1,2}$)/, {
  error: (issue) => `${quote(issue.input)} is not a service name: no URL can lead to it, so write another`,
})
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

/** A service with every field decided: its own, else the file's `defaults`, else built in. */
export function buildService(
  name: string,
  settings: ServiceSettings,
  defaults: PolicyDefaults = {},
  origin: Origin = 'file',
): Service {
  return {
    name,
    targets: settings.targets,
    quorum: settings.quorum ?? 'all',
    groups: [...new Set(settings.groups)],
    resolve: settings.resolve ?? 'first',
    policy: buildPolicy(settings, defaults),
    origin,
  }
}
