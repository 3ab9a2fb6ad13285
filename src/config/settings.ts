import { isIP } from 'node:net'
import { z } from 'zod'
import { Limits } from '../domain/service/limits.ts'
import { PolicySettings } from '../domain/service/policy-settings.ts'
import { Quorum } from '../domain/service/quorum.ts'
import { GroupName, ServiceName, ServiceSettings } from '../domain/service/service.ts'
import { DialSettings } from '../domain/target/dial-settings.ts'
import { parseTarget } from '../domain/target/target.ts'
import { closestWord } from '../domain/values/closest-word.ts'
import { Count } from '../domain/values/count.ts'
import { Duration } from '../domain/values/duration-schema.ts'
import { MetricFamily } from '../domain/values/metric-family.ts'
import { quote } from '../domain/values/quote.ts'
import { Details, TokenHash, TokenName } from '../domain/values/token.ts'
import type { Finding } from './problem.ts'

/** Returns the message for a value of a wrong type. Unknown keys get their own messages below. */
const wrongType = (what: string) => (issue: { input?: unknown }) => `${quote(issue.input)} is not ${what}`

/** The host to listen on: an IP address without brackets, or a host name. */
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

const hostNameRemedy = 'a host name: write a name such as porthole.example.org, without a scheme, a port or a path'

/** A host name that clients may use (RFC 1123 §2.1, and the underscores that some networks use). */
const HostName = z.string({ error: wrongType(hostNameRemedy) }).superRefine((name, ctx) => {
  if (isIP(name.replace(/^\[(.*)\]$/, '$1')) > 0)
    ctx.addIssue(`${quote(name)} is an IP address, which always passes: leave it out`)
  else if (!/^(?=.{1,254}$)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*\.?$/i.test(name))
    ctx.addIssue(`${quote(name)} is not ${hostNameRemedy}`)
})

/** The host names that clients may use, besides IP addresses and localhost. */
export const HostNames = z.array(HostName, {
  error: wrongType('a list of host names: write [porthole.example.org], or [] for IP addresses and localhost alone'),
})

const directoryRemedy = 'a directory: write its path, such as /var/lib/porthole, or leave data out'

/** The path of a directory. Only its syntax is checked here. Whether it is a directory shows when it is opened. */
const Directory = z
  .string({ error: wrongType(directoryRemedy) })
  .refine((path) => path !== '' && !path.includes('\0'), { error: wrongType(directoryRemedy) })

/** The name of the token in the environment. */
export const environmentToken = 'PORTHOLE_TOKEN'

const Tokens = z.record(
  TokenName.refine((name) => name !== environmentToken, {
    error: `${environmentToken} is the name of the token in the environment: write another`,
  }),
  TokenHash,
  // The message does not repeat the value, because it may be a secret.
  { error: 'this is not a mapping of tokens: write { NAME: sha256:DIGITS }' },
)

// The message does not repeat the value, because it may contain a password.
const redisRemedy =
  'this is not the address of a Redis: write redis://HOST:6379, or rediss://HOST:6379 for TLS; a user may stand before the host, as in redis://porthole@HOST:6379, and the password in replicas.passwordFile'

/** The URL of Redis. */
export const RedisUrl = z.string({ error: redisRemedy }).refine(
  (text) => {
    const url = URL.parse(text)
    if (url === null || !/^rediss?:$/.test(url.protocol) || url.hostname === '') return false
    return /^(\/\d*)?$/.test(url.pathname) && isDecodable(url.username) && isDecodable(url.password)
  },
  { error: redisRemedy },
)

/** Returns whether every percent sign in a text begins an encoded character (RFC 3986 §2.1). */
function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

const fileRemedy = 'a file: write its path, such as /run/secrets/redis'

const ReplicaSettings = z.strictObject(
  {
    redis: RedisUrl.optional(),
    passwordFile: z
      .string({ error: wrongType(fileRemedy) })
      .refine((path) => path !== '' && !path.includes('\0'), { error: wrongType(fileRemedy) })
      .optional(),
    namespace: z
      .string({ error: wrongType('a namespace: write text such as default') })
      .regex(/^[A-Za-z0-9_.-]{1,100}$/, {
        error: wrongType('a namespace: write 1 to 100 letters, digits, dots, hyphens and underscores'),
      })
      .optional(),
  },
  // The message does not repeat the value, because it may be an address with a password.
  { error: 'this is not a replicas section: write { redis: redis://HOST:6379 }' },
)

const Listen = z.strictObject(
  { host: Host.optional(), port: Port.optional(), hosts: HostNames.optional() },
  { error: wrongType('a place to listen on: write { host: 0.0.0.0, port: 8080 }') },
)
const GroupSettings = z.strictObject(
  { quorum: Quorum.optional() },
  { error: wrongType('a group: write { quorum: all }') },
)

const hourMs = 3_600_000
const TransitionSettings = z.strictObject(
  {
    keepFor: Duration(hourMs, 366 * 24 * hourMs).optional(),
    keepAtMost: Count(100, 10_000_000, 'transitions').optional(),
  },
  { error: wrongType('a rule for keeping transitions: write { keepFor: 30d, keepAtMost: 100000 }') },
)

const MetricsSettings = z.strictObject(
  {
    omit: z
      .array(MetricFamily, { error: wrongType('a list of metrics: write [porthole_target_checks_total]') })
      .optional(),
  },
  { error: wrongType('a rule for metrics: write { omit: [porthole_target_checks_total] }') },
)

/** The configuration file as written. Every key is optional. */
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
    tokens: Tokens.optional(),
    details: Details.optional(),
    data: Directory.optional(),
    replicas: ReplicaSettings.optional(),
    dial: DialSettings.optional(),
    limits: Limits.optional(),
    transitions: TransitionSettings.optional(),
    metrics: MetricsSettings.optional(),
    maxInFlight: Count(1, 100_000, 'checks').optional(),
    shutdownDelay: Duration(0, 60_000).optional(),
  },
  { error: wrongType('a configuration: write services: { name: { targets: [host:port] } }') },
)
export type FileSettings = z.infer<typeof FileSettings>

/** Converts the issues of zod to findings. Findings about unknown keys and wrong names point at the key itself. */
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

/** The schemas of the sections: of the mapping under a key of the root, or under each name there. */
const sections = new Map<PropertyKey | undefined, { readonly shape: object }>([
  ['listen', Listen],
  ['defaults', PolicySettings],
  ['services', ServiceSettings],
  ['groups', GroupSettings],
  ['dial', DialSettings],
  ['limits', Limits],
  ['transitions', TransitionSettings],
  ['metrics', MetricsSettings],
  ['replicas', ReplicaSettings],
])

/** Returns the known keys of the mapping at a path. */
function knownKeys([section]: readonly PropertyKey[]): string[] {
  return Object.keys((sections.get(section) ?? FileSettings).shape)
}

/** Returns the message for an unknown key: the key that was probably meant, and all known keys. */
function explainUnknownKey(key: string, known: readonly string[]): string {
  const close = closestWord(key, known)
  const guess = close === null ? 'unknown key' : `unknown key, did you mean ${close}?`
  return `${guess} (known here: ${known.join(', ')})`
}
