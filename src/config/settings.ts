import { z } from 'zod'
import { Duration } from '../domain/duration.ts'
import { Quorum } from '../domain/quorum.ts'
import { quote } from '../domain/quote.ts'
import { GroupName, PolicySettings, ServiceName, ServiceSettings } from '../domain/service.ts'
import { parseTarget } from '../domain/target.ts'
import type { Finding } from './problem.ts'
import { explainUnknownKey } from './unknown-key.ts'

/** A wrong type gets this message; unknown keys are explained one by one, below. */
const wrongType = (what: string) => (issue: { input?: unknown }) => `${quote(issue.input)} is not ${what}`

/** Where to listen: an IP address without brackets, or a host name. */
export const Host = z
  .string({
    error: wrongType('an address to listen on: write 0.0.0.0 (all interfaces) or 127.0.0.1 (this machine only)'),
  })
  .refine((host) => typeof parseTarget(host.includes(':') ? `[${host}]:1` : `${host}:1`) !== 'string', {
    error: wrongType('an address to listen on: write 0.0.0.0 (all interfaces) or 127.0.0.1 (this machine only)'),
  })

const portRemedy = 'a port to listen on: write a number from 1 to 65535, or 0 for any that is free'

/** The port to listen on; 0 takes any that is free. */
export const Port = z
  .number({ error: wrongType(portRemedy) })
  .refine((port) => Number.isInteger(port) && port >= 0 && port <= 65_535, { error: wrongType(portRemedy) })

const maxInFlightRemedy = 'a number of checks: write 1 to 100000, how many may be in flight at once'

const Listen = z.strictObject(
  { host: Host.optional(), port: Port.optional() },
  { error: wrongType('a place to listen on: write { host: 0.0.0.0, port: 8080 }') },
)
const GroupSettings = z.strictObject(
  { quorum: Quorum.optional() },
  { error: wrongType('a group: write { quorum: all }') },
)

/** The configuration file as written; every key may be left out. */
export const FileSettings = z.strictObject(
  {
    listen: Listen.optional(),
    defaults: PolicySettings.optional(),
    services: z
      .record(ServiceName, ServiceSettings, {
        error: wrongType('a mapping of services: write { name: { targets: [host:port] } }, or {} for none yet'),
      })
      .optional(),
    groups: z
      .record(GroupName, GroupSettings, { error: wrongType('a mapping of groups: write { name: { quorum: all } }') })
      .optional(),
    maxInFlight: z
      .number({ error: wrongType(maxInFlightRemedy) })
      .refine((count) => Number.isInteger(count) && count >= 1 && count <= 100_000, {
        error: wrongType(maxInFlightRemedy),
      })
      .optional(),
    shutdownDelay: Duration(0, 60_000).optional(),
  },
  { error: wrongType('a configuration: write services: { name: { targets: [host:port] } }') },
)
export type FileSettings = z.infer<typeof FileSettings>

/** What zod found, with unknown keys and wrong names pointing at the key itself. */
export function findingsOf(error: z.ZodError): Finding[] {
  return error.issues.flatMap((issue): Finding[] => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({
        path: [...issue.path, key],
        part: 'key',
        message: explainUnknownKey(key, knownKeys(issue.path)),
      }))
    }
    if (issue.code === 'invalid_key') {
      return [{ path: issue.path, part: 'key', message: issue.issues[0]?.message ?? issue.message }]
    }
    return [{ path: issue.path, part: 'value', message: issue.message }]
  })
}

function knownKeys([section]: readonly PropertyKey[]): string[] {
  switch (section) {
    case 'listen':
      return Object.keys(Listen.shape)
    case 'defaults':
      return Object.keys(PolicySettings.shape)
    case 'services':
      return Object.keys(ServiceSettings.shape)
    case 'groups':
      return Object.keys(GroupSettings.shape)
    default:
      return Object.keys(FileSettings.shape)
  }
}
