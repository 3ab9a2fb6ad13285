import type { DialSettings } from '../domain/dial-rules.ts'
import { createInterning } from '../domain/interning.ts'
import { defaultLimits, type Limits } from '../domain/limits.ts'
import type { MetricFamily } from '../domain/metric-family.ts'
import { handoverMs, type PolicyDefaults } from '../domain/policy.ts'
import { decideService, type Group, type Service } from '../domain/service.ts'
import type { Details, Token } from '../domain/token.ts'
import { advise } from './advice.ts'
import { readArguments } from './arguments.ts'
import { type LogLevel, type ProberChoice, readEnvironment } from './environment.ts'
import { adviseOnGroups, quorumsOf } from './groups.ts'
import { notePlaces, type Places } from './places.ts'
import { formatPlace, type Problem } from './problem.ts'
import { adviseOnTokens, tokensOf } from './tokens.ts'
import { type ConfigFile, readWritten, type Written } from './written.ts'

const dayMs = 86_400_000

/** Everything Porthole is told, decided and frozen. It is data alone, which can come from another thread. */
export type Config = {
  /** `hosts` are the names by which clients may ask; null: any. */
  readonly listen: { readonly host: string; readonly port: number; readonly hosts: readonly string[] | null }
  readonly services: readonly Service[]
  /** Where they are defined. */
  readonly places: Places
  /** What the file says of groups; services that are registered over HTTP may be in them too. */
  readonly groups: readonly Group[]
  /** What a registered service leaves out is taken from here, as with those of the file. */
  readonly defaults: PolicyDefaults
  /** Who may change what is registered, and who may see details. */
  readonly access: { readonly tokens: readonly Token[]; readonly details: Details }
  /** The directory for what must last; null: it lasts as long as the process. */
  readonly data: string | null
  /** Where several replicas find each other; null: this one is alone. */
  readonly replicas: {
    readonly url: string
    readonly passwordFile: string | null
    readonly namespace: string
  } | null
  /** What may be dialled for services that are registered over HTTP. */
  readonly dial: DialSettings
  readonly limits: Limits
  /** How long transitions are kept, and how many. */
  readonly retention: { readonly maxAgeMs: number; readonly maxCount: number }
  readonly metrics: {
    /** Families that the metrics page leaves out. */
    readonly omit: readonly MetricFamily[]
  }
  /** How many checks may be in flight at once; null: the prober's own bound. */
  readonly maxInFlight: number | null
  /** How long /readyz fails before the listener closes. */
  readonly shutdownDelayMs: number
  readonly logLevel: LogLevel
  readonly prober: ProberChoice
}

/** The configuration, or every problem that keeps it from being one. Notes and advice stop nothing. */
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
      /** They are none of what was read, and may be gone at another try. */
      readonly arePassing?: true
    }

export type ConfigSources = {
  /** Targets from the command line: `host:port` or `name=host:port`. */
  readonly targets: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
}

/** File, command line and environment as one configuration; the environment wins over the file. */
export function parseConfig({ file, targets, env }: ConfigSources & { readonly file: ConfigFile | null }): ReadConfig {
  const written = readWritten(file)
  const environment = readEnvironment(env)
  const named = readArguments(targets)
  const clashes = [...named.services].flatMap(([name, { place }]): Problem[] => {
    const first = written.places.get(name)
    if (file === null || first === undefined) return []
    const where = formatPlace(file.name, first)
    return [
      { place, path: '', message: `the service ${JSON.stringify(name)} is already at ${where}: write another name=` },
    ]
  })
  const problems = [...written.problems, ...environment.problems, ...named.problems, ...clashes]
  if (problems.length > 0) return { ok: false, problems }

  const { settings } = written
  const redisUrl = environment.redisUrl ?? settings.replicas?.redis ?? null
  if (redisUrl === null && settings.replicas !== undefined) return { ok: false, problems: locateMissingRedis(written) }
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
    places: notePlaces(file?.name ?? null, written.places, named.services, services),
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
    prober: environment.prober ?? 'auto',
  })
  const advice = [...advise(settings, services), ...adviseOnGroups(settings), ...adviseOnTokens(config.access.tokens)]
  return { ok: true, config, notes: [...environment.notes, ...notesOn(config)], advice: written.locate(advice) }
}

/** Replicas that have no Redis have nothing to share by; it may be in the environment. */
function locateMissingRedis({ locate }: Written): Problem[] {
  const message = 'redis is missing: write redis: redis://HOST:6379, or set PORTHOLE_REDIS_URL'
  return locate([{ path: ['replicas'], part: 'key', message }])
}

/** What is of no use. The environment has a say in it, so it is no advice on the file. */
function notesOn({ services, access, data, replicas }: Config): string[] {
  const notes: string[] = []
  if (replicas !== null && data !== null) {
    notes.push('data is not used, since Redis keeps for all replicas what must last: remove data or PORTHOLE_DATA')
  }
  if (access.tokens.length > 0) return notes
  if (services.length === 0) {
    notes.push(
      'there are no services: name some under services, or set PORTHOLE_TOKEN so that they can be registered over HTTP',
    )
  }
  if (access.details === 'token') {
    notes.push(
      'details: token hides targets, addresses and sentences from everybody while there is no token: set PORTHOLE_TOKEN, or tokens',
    )
  }
  return notes
}

/** Freezes a value with all that is in it. What is frozen already is so all the way down; columns of numbers cannot be. */
export function deepFreeze<Value>(value: Value): Value {
  if (!Object.isFrozen(value) && !ArrayBuffer.isView(value)) Object.values(Object.freeze(value)).forEach(deepFreeze)
  return value
}
