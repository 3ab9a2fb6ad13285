import { buildService, type Group, type Service } from '../domain/service.ts'
import { advise } from './advice.ts'
import { readArguments } from './arguments.ts'
import { type LogLevel, type ProberChoice, readEnvironment } from './environment.ts'
import { readConfigFile } from './file.ts'
import { groupsOf } from './groups.ts'
import type { Problem } from './problem.ts'
import { type ConfigFile, readWritten } from './written.ts'

/** Everything Porthole is told at its start, decided and frozen. */
export type Config = {
  readonly listen: { readonly host: string; readonly port: number }
  readonly services: readonly Service[]
  /** Every group a service is in. */
  readonly groups: readonly Group[]
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
  | { readonly ok: false; readonly problems: readonly Problem[] }

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
    const first = written.placeOfService(name)
    return first === null
      ? []
      : [
          {
            place,
            path: '',
            message: `the service ${JSON.stringify(name)} is already at ${first}: write another name=`,
          },
        ]
  })
  const problems = [...written.problems, ...environment.problems, ...named.problems, ...clashes]
  if (problems.length > 0) return { ok: false, problems }

  const { settings } = written
  const services = [
    ...Object.entries(settings.services ?? {}).map(([name, own]) => buildService(name, own, settings.defaults)),
    ...[...named.services].map(([name, own]) => buildService(name, { targets: own.targets }, settings.defaults)),
  ]
  const config = deepFreeze({
    listen: {
      host: environment.host ?? settings.listen?.host ?? '0.0.0.0',
      port: environment.port ?? settings.listen?.port ?? 8080,
    },
    services,
    groups: groupsOf(services, settings),
    maxInFlight: settings.maxInFlight ?? null,
    shutdownDelayMs: settings.shutdownDelay ?? 1000,
    logLevel: environment.logLevel ?? 'info',
    prober: environment.prober ?? 'auto',
  })
  const notes = [...environment.notes]
  if (services.length === 0) notes.push('there are no services: name some under services')
  return { ok: true, config, notes, advice: written.locate(advise(settings, services)) }
}

/** Reads the file (null: none) and parses it together with the rest; `text` is the file's, for whoever watches it. */
export async function readConfig(
  path: string | null,
  sources: ConfigSources,
): Promise<ReadConfig & { readonly text: string | null }> {
  if (path === null) return { ...parseConfig({ file: null, ...sources }), text: null }
  const file = await readConfigFile(path)
  if (!file.ok) return { ok: false, problems: [file.problem], text: null }
  return { ...parseConfig({ file: { name: path, text: file.text }, ...sources }), text: file.text }
}

function deepFreeze<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(deepFreeze)
  return value
}
