import type { z } from 'zod'
import { Duration, formatDuration } from './duration.ts'
import { type ForeignSettings, readForeignSettings } from './foreign-settings.ts'
import type { Limits } from './limits.ts'
import { describePolicy } from './policy-settings.ts'
import { ServiceSettings } from './service.ts'

const dayMs = 86_400_000

/** What is sent over HTTP to register a service: what the file takes, and for how long it holds unless it is sent again. */
export const RegistrationSettings = ServiceSettings.safeExtend({
  /** Expired, which is down, unless registered again within this time. */
  ttl: Duration(1000, 30 * dayMs).optional(),
  /** Deregistered when it has been expired for this time. */
  expireAfter: Duration(0, 30 * dayMs).optional(),
}).meta({
  id: 'Registration',
  description: 'A service as the configuration file takes it, with its `ttl` and `expireAfter`.',
  examples: [{ targets: ['10.0.0.5:5432', '10.0.0.6:5432'], quorum: 'any', groups: ['payments'], interval: '10s' }],
})
export type RegistrationSettings = z.infer<typeof RegistrationSettings>

/**
 * Writes a registration as JSON that reads back the same. What was left out stays out, so that it follows the file's
 * defaults; the same settings are the same text, however they were written.
 */
export function writeRegistration(settings: RegistrationSettings): string {
  const { targets, quorum, groups, resolve, ttl, expireAfter } = settings
  const time = (ms: number | undefined) => (ms === undefined ? undefined : formatDuration(ms))
  return JSON.stringify({
    targets: targets.map(({ name }) => name),
    quorum,
    groups,
    resolve,
    ...describePolicy(settings),
    ttl: time(ttl),
    expireAfter: time(expireAfter),
  })
}

/** Reads what `writeRegistration` wrote, of this version or another; a string says why this version cannot. */
export function readRegistration(definition: string): ForeignSettings<RegistrationSettings> | string {
  let json: unknown
  try {
    json = JSON.parse(definition)
  } catch {
    return `it is no JSON, as a damaged store has it: register the service again`
  }
  return readForeignSettings(RegistrationSettings, json)
}

/** One thing that is more than the limits allow: where, as a JSON pointer (RFC 6901), and what to do about it. */
export type Excess = { readonly in: 'params' | 'body'; readonly pointer: string; readonly detail: string }

/** What of a registration is more than the limits allow, the number of services apart. */
export function excessOf(name: string, settings: RegistrationSettings, limits: Limits): Excess[] {
  const { targets, groups = [] } = settings
  const tooLong = (
    text: string,
    limit: 'nameLength' | 'targetLength',
    where: Pick<Excess, 'in' | 'pointer'>,
  ): Excess[] => {
    // As the schema of names counts, and people do: not in UTF-16.
    const { length } = [...text]
    return length <= limits[limit]
      ? []
      : [{ ...where, detail: `${length} characters, and limits.${limit} allows ${limits[limit]}: write less` }]
  }
  const tooMany = (list: readonly unknown[], limit: 'targets' | 'groups'): Excess[] =>
    list.length <= limits[limit]
      ? []
      : [
          {
            in: 'body',
            pointer: `/${limit}`,
            detail: `${list.length} ${limit}, and limits.${limit} allows ${limits[limit]}: write fewer`,
          },
        ]
  return [
    ...tooLong(name, 'nameLength', { in: 'params', pointer: '/service' }),
    ...tooMany(targets, 'targets'),
    ...targets.flatMap((target, at) => tooLong(target.name, 'targetLength', { in: 'body', pointer: `/targets/${at}` })),
    ...tooMany(groups, 'groups'),
    ...groups.flatMap((group, at) => tooLong(group, 'nameLength', { in: 'body', pointer: `/groups/${at}` })),
  ]
}
