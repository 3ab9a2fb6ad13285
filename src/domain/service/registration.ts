import type { z } from 'zod'
import { formatDuration } from '../values/duration.ts'
import { Duration } from '../values/duration-schema.ts'
import { type ForeignSettings, readForeignSettings } from './foreign-settings.ts'
import type { Limits } from './limits.ts'
import { describePolicy } from './policy-settings.ts'
import { ServiceSettings } from './service.ts'

const dayMs = 86_400_000

/** The body that registers a service over HTTP: the settings of a service in the file, and how long the registration lasts without renewal. */
export const RegistrationSettings = ServiceSettings.safeExtend({
  /** The registration expires, which makes the service down, unless it is renewed within this time. */
  ttl: Duration(1000, 30 * dayMs).optional(),
  /** The service is deregistered this long after its registration expired. */
  expireAfter: Duration(0, 30 * dayMs).optional(),
}).meta({
  id: 'Registration',
  description: 'A service as the configuration file takes it, with its `ttl` and `expireAfter`.',
  examples: [{ targets: ['10.0.0.5:5432', '10.0.0.6:5432'], quorum: 'any', groups: ['payments'], interval: '10s' }],
})
export type RegistrationSettings = z.infer<typeof RegistrationSettings>

/**
 * Writes a registration as JSON, for `readRegistration` to read. Settings that the client left out stay out, so that the defaults of the file
 * apply. Equal settings give equal text in any order and spelling.
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

/** Reads the text that `writeRegistration` of this or another version wrote. Returns a string with the reason when this version cannot read it. */
export function readRegistration(definition: string): ForeignSettings<RegistrationSettings> | string {
  let json: unknown
  try {
    json = JSON.parse(definition)
  } catch {
    return 'it is not JSON, so the store may be damaged: register the service again'
  }
  return readForeignSettings(RegistrationSettings, json)
}

/** A value above a limit: its place as a JSON pointer (RFC 6901), and the message with the remedy. */
export type Excess = { readonly in: 'params' | 'body'; readonly pointer: string; readonly detail: string }

/** Returns every value of a registration that is above a limit, except for the number of services. */
export function excessOf(name: string, settings: RegistrationSettings, limits: Limits): Excess[] {
  const { targets, groups = [] } = settings
  const tooLong = (
    text: string,
    limit: 'nameLength' | 'targetLength',
    where: Pick<Excess, 'in' | 'pointer'>,
  ): Excess[] => {
    // Counts code points, as the schema of names does, and not UTF-16 units.
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
