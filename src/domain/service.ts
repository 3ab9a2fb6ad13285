import { z } from 'zod'
import { buildPolicy, type Policy, type PolicyDefaults } from './policy.ts'
import { PolicySettings } from './policy-settings.ts'
import { membersNeeded, Quorum, unreachableQuorum } from './quorum.ts'
import { quote, show } from './quote.ts'
import { type KeptTarget, keepTarget, Target, type TargetParts, targetKey, targetOf } from './target.ts'

/** How the addresses of a name are checked: together, where the first that connects counts, or each as a member of its own. */
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

/** Tells whether a service may have this name. */
export function isServiceName(name: string): boolean {
  return ServiceName.safeParse(name).success
}

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
      if (targets.length < 2) return
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

/** What a service may say of itself; `ttl` and `expireAfter` only where it is sent to the API. */
const serviceKeys = [
  ...['targets', 'quorum', 'groups', 'resolve'],
  ...Object.keys(PolicySettings.shape),
  ...['ttl', 'expireAfter'],
]

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
          ? `unknown key ${issue.keys.map(show).join(', ')}: the keys are ${serviceKeys.join(', ')}`
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

/** What many services have alike, so that it is kept once for all of them. */
export type Terms = {
  readonly quorum: Quorum
  readonly resolve: Resolve
  readonly policy: Policy
  /** Who defined it: the operator, by the file or the command line; or somebody over HTTP, who may not have everything dialled. */
  readonly origin: Origin
  /** The `ttl` within which its registration was not renewed, in milliseconds; null while it is not expired. */
  readonly expiredTtlMs: number | null
}
export type Origin = 'file' | 'http'

/** A named thing people ask about. */
export type Service = Terms & {
  readonly name: string
  readonly targets: readonly Target[]
  readonly groups: readonly string[]
  /** Quorum, resolve, policy and origin as one, which other services may have too. */
  readonly terms: Terms
}

/** What a service is made of: as it comes from another thread. */
export type ServiceParts = Pick<Service, 'name' | 'groups' | 'terms'> & { readonly targets: readonly TargetParts[] }

/** Takes as little as it can, since there may be a hundred thousand of them. */
class ServiceOfParts implements Service {
  readonly name: string
  readonly groups: readonly string[]
  /** One alone needs no list. */
  private readonly kept: KeptTarget | readonly KeptTarget[]
  readonly terms: Terms

  constructor({ name, targets, groups, terms }: ServiceParts) {
    const kept = targets.map(keepTarget)
    const [first] = kept
    this.name = name
    this.groups = groups
    this.kept = first !== undefined && kept.length === 1 ? first : Object.freeze(kept)
    this.terms = terms
    Object.freeze(this)
  }

  get targets(): readonly Target[] {
    const kept = typeof this.kept === 'string' || !('length' in this.kept) ? [this.kept] : this.kept
    return kept.map(targetOf)
  }
  get quorum(): Quorum {
    return this.terms.quorum
  }
  get resolve(): Resolve {
    return this.terms.resolve
  }
  get policy(): Policy {
    return this.terms.policy
  }
  get origin(): Origin {
    return this.terms.origin
  }
  get expiredTtlMs(): number | null {
    return this.terms.expiredTtlMs
  }
}

export function makeService(parts: ServiceParts): Service {
  return new ServiceOfParts(parts)
}

/** What makes the same service again. */
export function partsOf({ name, groups, targets, terms }: Service): ServiceParts {
  return {
    name,
    groups,
    targets: targets.map(({ name, address, resolvedFrom }) => ({ name, address, resolvedFrom })),
    terms,
  }
}

/**
 * What a service is made of with every field decided: its own, else the file's `defaults`, else built in. `unread` are its settings that this
 * version cannot read.
 */
export function decideService(
  name: string,
  settings: ServiceSettings,
  defaults: PolicyDefaults = {},
  origin: Origin = 'file',
  unread: readonly string[] = [],
): ServiceParts {
  return {
    name,
    targets: settings.targets,
    groups: [...new Set(settings.groups)],
    terms: {
      quorum: settings.quorum ?? 'all',
      resolve: settings.resolve ?? 'first',
      policy: buildPolicy(settings, defaults, unread),
      origin,
      expiredTtlMs: null,
    },
  }
}

/** Returns the same service as one whose registration was not renewed within this `ttl`, in milliseconds. */
export function expireService(service: Service, ttlMs: number): Service {
  const parts = partsOf(service)
  return makeService({ ...parts, terms: { ...parts.terms, expiredTtlMs: ttlMs } })
}

/** The service itself. */
export function buildService(...decided: Parameters<typeof decideService>): Service {
  return makeService(decideService(...decided))
}
