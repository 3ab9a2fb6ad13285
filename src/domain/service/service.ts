import { z } from 'zod'
import {
  type CompactTarget,
  compactTarget,
  type Target,
  type TargetParts,
  targetKey,
  targetOf,
} from '../target/target.ts'
import { TargetText } from '../target/target-schema.ts'
import { quote, show } from '../values/quote.ts'
import { buildPolicy, type Policy, type PolicyDefaults } from './policy.ts'
import { PolicySettings } from './policy-settings.ts'
import { membersNeeded, Quorum, unreachableQuorum } from './quorum.ts'

/** How the addresses of a name are checked: together, where the first that connects counts, or each as a target of its own. */
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

/** The name of a service. The names `.` and `..` are rejected, because clients remove these from a URL before they send it (WHATWG URL §4.5). */
export const ServiceName = nameOf('service').regex(/^(?!\.{1,2}$)/, {
  error: (issue) => `${quote(issue.input)} is not a service name: no URL can lead to it, so write another`,
})
export const GroupName = nameOf('group')

/** Returns whether a service may have this name. */
export function isServiceName(name: string): boolean {
  return ServiceName.safeParse(name).success
}

/** A set of services, and the quorum of those that must be up. */
export type Group = { readonly name: string; readonly quorum: Quorum }

function countable(value: unknown): boolean {
  const { targets, quorum } = (value ?? {}) as Partial<Record<string, unknown>>
  return Array.isArray(targets) && targets.length > 0 && ['number', 'string'].includes(typeof quorum)
}

const Targets = z
  .array(TargetText, {
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
    // Runs even if some targets are invalid, so that one pass finds every problem.
    { when: ({ value }) => Array.isArray(value) },
  )

/** The keys of a service. `ttl` and `expireAfter` are for the API only. */
const serviceKeys = [
  ...['targets', 'quorum', 'groups', 'resolve'],
  ...Object.keys(PolicySettings.shape),
  ...['ttl', 'expireAfter'],
]

/** The schema of a service in the configuration or a request to the API. */
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
      // With `resolve: all` the number of targets is known only after the look-up.
      if (service.resolve === 'all' || service.quorum === undefined || membersNeeded(service.quorum, total) <= total)
        return
      ctx.addIssue({ code: 'custom', path: ['quorum'], message: unreachableQuorum(service.quorum, total, 'target') })
    },
    // Runs even if other fields are invalid.
    { when: ({ value }) => countable(value) },
  )
export type ServiceSettings = z.infer<typeof ServiceSettings>

/** The settings that many services share, so that equal ones are stored once. */
export type SharedSettings = {
  readonly quorum: Quorum
  readonly resolve: Resolve
  readonly policy: Policy
  /** The source of the definition. The dial rules apply to services from `http`. */
  readonly origin: Origin
  /** The `ttl` that ran out without a renewal, in milliseconds; null unless the registration is expired. */
  readonly expiredTtlMs: number | null
}
/** The source of a definition: `file` is the operator (file or command line), `http` is a client. */
export type Origin = 'file' | 'http'

/** A service: a named set of targets with a quorum and a policy. */
export type Service = SharedSettings & {
  readonly name: string
  readonly targets: readonly Target[]
  readonly groups: readonly string[]
  /** Quorum, resolve, policy, origin and expiry in one object, which other services may share. */
  readonly sharedSettings: SharedSettings
}

/** The plain data of a service, which can be sent to another thread. */
export type ServiceParts = Pick<Service, 'name' | 'groups' | 'sharedSettings'> & {
  readonly targets: readonly TargetParts[]
}

/** A compact service. Its fields take little memory, because there may be 100,000 services. */
class ServiceOfParts implements Service {
  readonly name: string
  readonly groups: readonly string[]
  /** A single target is stored without a list. */
  private readonly kept: CompactTarget | readonly CompactTarget[]
  readonly sharedSettings: SharedSettings

  constructor({ name, targets, groups, sharedSettings }: ServiceParts) {
    const kept = targets.map(compactTarget)
    const [first] = kept
    this.name = name
    this.groups = groups
    this.kept = first !== undefined && kept.length === 1 ? first : Object.freeze(kept)
    this.sharedSettings = sharedSettings
    Object.freeze(this)
  }

  get targets(): readonly Target[] {
    const kept = typeof this.kept === 'string' || !('length' in this.kept) ? [this.kept] : this.kept
    return kept.map(targetOf)
  }
  get quorum(): Quorum {
    return this.sharedSettings.quorum
  }
  get resolve(): Resolve {
    return this.sharedSettings.resolve
  }
  get policy(): Policy {
    return this.sharedSettings.policy
  }
  get origin(): Origin {
    return this.sharedSettings.origin
  }
  get expiredTtlMs(): number | null {
    return this.sharedSettings.expiredTtlMs
  }
}

/** Builds a service from its plain data. */
export function makeService(parts: ServiceParts): Service {
  return new ServiceOfParts(parts)
}

/** Returns the plain data from which `makeService` builds the same service. */
export function partsOf({ name, groups, targets, sharedSettings }: Service): ServiceParts {
  return {
    name,
    groups,
    targets: targets.map(({ name, address, resolvedFrom }) => ({ name, address, resolvedFrom })),
    sharedSettings,
  }
}

/**
 * Returns the plain data of a service with a value for every field: its own setting, otherwise that of `defaults`, otherwise the built-in one.
 * `unread` are the names of its settings that this version cannot read.
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
    sharedSettings: {
      quorum: settings.quorum ?? 'all',
      resolve: settings.resolve ?? 'first',
      policy: buildPolicy(settings, defaults, unread),
      origin,
      expiredTtlMs: null,
    },
  }
}

/** Returns the same service with an expired registration. `ttlMs` is the `ttl` that ran out, in milliseconds. */
export function expireService(service: Service, ttlMs: number): Service {
  const parts = partsOf(service)
  return makeService({ ...parts, sharedSettings: { ...parts.sharedSettings, expiredTtlMs: ttlMs } })
}

/** Builds a service. Takes the same arguments as `decideService`. */
export function buildService(...decided: Parameters<typeof decideService>): Service {
  return makeService(decideService(...decided))
}
