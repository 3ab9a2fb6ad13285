import { createInterning } from '../domain/service/interning.ts'
import { defaultLimits, type Limits } from '../domain/service/limits.ts'
import { handoverMs, type PolicyDefaults } from '../domain/service/policy.ts'
import { decideService, type Group, type Service } from '../domain/service/service.ts'
import type { DialSettings } from '../domain/target/dial-settings.ts'
import type { MetricFamily } from '../domain/values/metric-family.ts'
import type { Details, Token } from '../domain/values/token.ts'
import { advise } from './advice.ts'
import { readArguments } from './arguments.ts'
import { type LogFormat, type LogLevel, readEnvironment } from './environment.ts'
import { adviseOnGroups, quorumsOf } from './groups.ts'
import type { ProberChoice } from './prober-choice.ts'
import { formatLocation, type Problem } from './problem.ts'
import { type ConfigFile, type ParsedFile, readParsedFile } from './syntax/parsed-file.ts'
import { recordLocations, type SourceLocations } from './syntax/source-locations.ts'
import { adviseOnTokens, tokensOf } from './tokens.ts'

const dayMs = 86_400_000

/** The complete configuration, frozen. It is plain data, so another thread can send it. */
export type Config = {
  /** `hosts` are the host names that clients may use; null: any. */
  readonly listen: { readonly host: string; readonly port: number; readonly hosts: readonly string[] | null }
  readonly services: readonly Service[]
  /** The places where the services are defined. */
  readonly sourceLocations: SourceLocations
  /** The groups of the file. Services that are registered over HTTP may be in them too. */
  readonly groups: readonly Group[]
  /** The defaults for settings that a service leaves out, for services of the file and registered ones alike. */
  readonly defaults: PolicyDefaults
  /** The tokens that allow clients to change registrations, and the rule for the visibility of details. */
  readonly access: { readonly tokens: readonly Token[]; readonly details: Details }
  /** The directory for data that must outlast the process; null: there is none, and all data is lost at the end of the process. */
  readonly data: string | null
  /** The Redis through which replicas share the work; null: this is the only replica. */
  readonly replicas: {
    readonly url: string
    readonly passwordFile: string | null
    readonly namespace: string
  } | null
  /** The rules for addresses that may be dialled for services that are registered over HTTP. */
  readonly dial: DialSettings
  readonly limits: Limits
  /** How long transitions are kept, in milliseconds, and how many. */
  readonly retention: { readonly maxAgeMs: number; readonly maxCount: number }
  readonly metrics: {
    /** The metric families that the metrics page leaves out. */
    readonly omit: readonly MetricFamily[]
  }
  /** The most checks in flight at once; null: the prober's own bound. */
  readonly maxInFlight: number | null
  /** How long /readyz fails before the listener closes, in milliseconds. */
  readonly shutdownDelayMs: number
  readonly logLevel: LogLevel
  readonly logFormat: LogFormat
  readonly prober: ProberChoice
}

/** The configuration, or every problem that prevents it. Notes and advice prevent nothing. */
export type ReadConfig =
  | {
      readonly ok: true
      readonly config: Config
      readonly notes: readonly string[]
      readonly advice: readonly Problem[]
    }
  | {
      readonly ok: false
      readonly problems: readonly Problem[]
      /** The problems have a cause outside the file, and may be gone at another try. */
      readonly arePassing?: true
    }

export type ConfigSources = {
  /** The targets of the command line: `host:port` or `name=host:port`. */
  readonly targets: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Merges the file, the command line and the environment into one configuration. The environment wins over the file. */
export function parseConfig({ file, targets, env }: ConfigSources & { readonly file: ConfigFile | null }): ReadConfig {
  const parsedFile = readParsedFile(file)
  const environment = readEnvironment(env)
  const named = readArguments(targets)
  const clashes = [...named.services].flatMap(([name, { place }]): Problem[] => {
    const first = parsedFile.sourceLocations.get(name)
    if (file === null || first === undefined) return []
    const where = formatLocation(file.name, first)
    return [
      { place, path: '', message: `the service ${JSON.stringify(name)} is already at ${where}: write another name=` },
    ]
  })
  const problems = [...parsedFile.problems, ...environment.problems, ...named.problems, ...clashes]
  if (problems.length > 0) return { ok: false, problems }

  const { settings } = parsedFile
  const redisUrl = environment.redisUrl ?? settings.replicas?.redis ?? null
  if (redisUrl === null && settings.replicas !== undefined)
    return { ok: false, problems: locateMissingRedis(parsedFile) }
  const defaults: PolicyDefaults = { ...settings.defaults, ...(redisUrl === null ? {} : { handoverMs }) }
  const intern = createInterning()
  const services = [
    ...Object.entries(settings.services ?? {}),
    ...[...named.services].map(([name, { targets }]) => [name, { targets }] as const),
  ].map(([name, own]) => intern(decideService(name, own, defaults)))
  const config = deepFreeze({
    listen: {
      host: environment.host ?? settings.listen?.host ?? '0.0.0.0',
      port: environment.port ?? settings.listen?.port ?? 8080,
      hosts: environment.hosts ?? settings.listen?.hosts ?? null,
    },
    services,
    sourceLocations: recordLocations(file?.name ?? null, parsedFile.sourceLocations, named.services, services),
    groups: quorumsOf(settings),
    defaults,
    access: { tokens: tokensOf(settings, environment.token), details: settings.details ?? 'all' },
    data: environment.data ?? settings.data ?? null,
    replicas:
      redisUrl === null
        ? null
        : {
            url: redisUrl,
            passwordFile: settings.replicas?.passwordFile ?? null,
            namespace: settings.replicas?.namespace ?? 'default',
          },
    dial: settings.dial ?? {},
    limits: settings.limits ?? defaultLimits,
    retention: {
      maxAgeMs: settings.transitions?.keepFor ?? 30 * dayMs,
      maxCount: settings.transitions?.keepAtMost ?? 100_000,
    },
    metrics: { omit: settings.metrics?.omit ?? [] },
    maxInFlight: settings.maxInFlight ?? null,
    shutdownDelayMs: settings.shutdownDelay ?? 1000,
    logLevel: environment.logLevel ?? 'info',
    logFormat: environment.logFormat ?? 'auto',
    prober: environment.prober ?? 'auto',
  })
  const advice = [...advise(settings, services), ...adviseOnGroups(settings), ...adviseOnTokens(config.access.tokens)]
  return { ok: true, config, notes: [...environment.notes, ...notesOn(config)], advice: parsedFile.locate(advice) }
}

/** Returns the problem of a `replicas` section without a Redis. The Redis may also come from the environment. */
function locateMissingRedis({ locate }: ParsedFile): Problem[] {
  const message = 'redis is missing: write redis: redis://HOST:6379, or set PORTHOLE_REDIS_URL'
  return locate([{ path: ['replicas'], part: 'key', message }])
}

/** Returns notes on settings that have no effect. Notes are no advice on the file, because they depend on the environment too. */
function notesOn({ services, access, data, replicas }: Config): string[] {
  const notes: string[] = []
  if (replicas !== null && data !== null) {
    notes.push('data is not used, because replicas store their data in Redis: remove data or PORTHOLE_DATA')
  }
  if (access.tokens.length > 0) return notes
  if (services.length === 0) {
    notes.push(
      'there are no services: name some under services, or set PORTHOLE_TOKEN so that they can be registered over HTTP',
    )
  }
  if (access.details === 'token') {
    notes.push(
      'details: token hides targets, addresses and sentences from all clients while there is no token: set PORTHOLE_TOKEN, or tokens',
    )
  }
  return notes
}

/**
 * Freezes a value and all values in it, and returns it. A value that is frozen already is skipped, because all values in it are frozen too.
 * Typed arrays cannot be frozen.
 */
export function deepFreeze<Value>(value: Value): Value {
  if (!Object.isFrozen(value) && !ArrayBuffer.isView(value)) Object.values(Object.freeze(value)).forEach(deepFreeze)
  return value
}
