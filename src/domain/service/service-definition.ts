import { z } from 'zod'
import { formatDuration } from '../values/duration.ts'
import { builtInDefaults, type FieldWithDefault } from './built-in-defaults.ts'
import { expireAfterMs } from './lifetime.ts'
import { settingsOf } from './policy.ts'
import { describePolicy, type PolicyFieldName, policyFields } from './policy-settings.ts'
import type { RegistrationSettings } from './registration.ts'
import { Resolve, type Service } from './service.ts'

const duration = (description: string) => z.string().meta({ description, examples: ['10s'] })

type DefinedField<Name extends PolicyFieldName> = (typeof policyFields)[Name]['kind'] extends 'duration'
  ? z.ZodString
  : (typeof policyFields)[Name]['kind'] extends 'count'
    ? z.ZodInt
    : (typeof policyFields)[Name]['setting']
type DefinedShape = {
  [Name in PolicyFieldName]: Name extends FieldWithDefault ? DefinedField<Name> : z.ZodOptional<DefinedField<Name>>
}

/** Returns the schemas of the policy fields for the API. A field without a built-in default is optional. */
function definedPolicy(): DefinedShape {
  const shape = Object.entries(policyFields).map(([name, { setting, kind, description }]) => {
    const plain = kind === 'count' ? z.int().positive() : setting
    const schema = kind === 'duration' ? duration(description) : plain.meta({ description })
    return [name, name in builtInDefaults ? schema : schema.optional()]
  })
  return Object.fromEntries(shape) as DefinedShape
}

/** A service with every default filled in, in the form that the file and the API accept. */
export const ServiceDefinition = z
  .object({
    targets: z.array(z.string().meta({ description: '`host:port` as configured.' })),
    quorum: z.string().meta({ description: '`all`, `any`, a count, or a share such as `50%`.' }),
    groups: z.array(z.string()),
    resolve: Resolve.meta({
      description:
        'How the addresses of a name are checked: together, where the first that connects counts, or each as a target of its own.',
    }),
    ...definedPolicy(),
    ttl: duration(
      'How long a registration over HTTP lasts without renewal; then it is expired, which is down. Absent: for ever.',
    ).optional(),
    expireAfter: duration(
      'How long an expired registration stays before it is deregistered. Absent without a `ttl`.',
    ).optional(),
  })
  .meta({ id: 'ServiceDefinition', description: 'How a service is defined, every default filled in.' })
export type ServiceDefinition = z.infer<typeof ServiceDefinition>
type DefinedPolicy = Pick<ServiceDefinition, PolicyFieldName>

/**
 * Returns the definition of a service. `ServiceSettings` and `buildService` build the same service from it without defaults. `times` are the
 * `ttl` and `expireAfter` of its registration.
 */
export function defineService(
  { targets, quorum, groups, resolve, policy }: Service,
  times: Pick<RegistrationSettings, 'ttl' | 'expireAfter'> = {},
): ServiceDefinition {
  return {
    targets: targets.map(({ name }) => name),
    quorum: String(quorum),
    groups: [...groups],
    resolve,
    ...(describePolicy(settingsOf(policy)) as DefinedPolicy),
    ...(times.ttl === undefined
      ? {}
      : { ttl: formatDuration(times.ttl), expireAfter: formatDuration(expireAfterMs(times)) }),
  }
}
