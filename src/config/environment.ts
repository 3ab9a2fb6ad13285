import { hash } from 'node:crypto'
import { flawOfSecret, type Token } from '../domain/values/token.ts'
import { type ProberChoice, readChoice, readProberChoice } from './prober-choice.ts'
import type { Problem } from './problem.ts'
import { environmentToken, Host, HostNames, Port, RedisUrl } from './settings.ts'

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/** The values of PORTHOLE_LOG_FORMAT: `auto` is `pretty` on a terminal, otherwise `json`. */
export const logFormats = ['auto', 'json', 'pretty'] as const
export type LogFormat = (typeof logFormats)[number]

/** The settings of the environment. null means that the variable is absent or empty. */
export type Environment = {
  readonly host: string | null
  readonly port: number | null
  readonly hosts: readonly string[] | null
  readonly logLevel: LogLevel | null
  readonly logFormat: LogFormat | null
  readonly prober: ProberChoice | null
  readonly data: string | null
  readonly redisUrl: string | null
  readonly token: Token | null
  readonly notes: readonly string[]
  readonly problems: readonly Problem[]
}

/** Reads the variables that begin with PORTHOLE_, except PORTHOLE_CONFIG. The secret in PORTHOLE_TOKEN goes no further than its hash. */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): Environment {
  const { PORTHOLE_HOST: host = '', PORTHOLE_PORT: portText = '', PORTHOLE_DATA: data = '' } = env
  const { PORTHOLE_HOSTS: hostsText = '' } = env
  const { [environmentToken]: secret = '', PORTHOLE_REDIS_URL: redisUrl = '' } = env
  const notes: string[] = []
  const problems: Problem[] = []
  const report = (place: string, message = '') => problems.push({ place, path: '', message })

  const hostRead = Host.safeParse(host)
  if (host !== '' && !hostRead.success) report('PORTHOLE_HOST', hostRead.error.issues[0]?.message)

  const hostNames = hostsText.split(',').map((name) => name.trim())
  const hosts = hostsText === '' ? null : HostNames.safeParse(hostNames)
  if (hosts?.success === false) report('PORTHOLE_HOSTS', hosts.error.issues[0]?.message)

  const redisRead = RedisUrl.safeParse(redisUrl)
  if (redisUrl !== '' && !redisRead.success) report('PORTHOLE_REDIS_URL', redisRead.error.issues[0]?.message)

  // Kubernetes gives every pod the address of a Service called porthole in a variable of the same name.
  const injected = portText.startsWith('tcp://')
  if (injected) {
    notes.push(
      `PORTHOLE_PORT=${portText} is ignored: Kubernetes sets it for a Service called porthole (enableServiceLinks: false stops that)`,
    )
  }
  const port =
    portText === '' || injected ? null : Port.safeParse(/^\d{1,5}$/.test(portText) ? Number(portText) : portText)
  if (port?.success === false) report('PORTHOLE_PORT', port.error.issues[0]?.message)

  const flaw = secret === '' ? null : flawOfSecret(secret)
  if (flaw !== null) report(environmentToken, flaw)

  /** Returns the value of a variable; null if it is not set, or if it has a problem, which is reported. */
  function unlessProblem<Word extends string>(read: Word | null | Problem): Word | null {
    if (read === null || typeof read === 'string') return read
    problems.push(read)
    return null
  }
  return {
    host: host !== '' && hostRead.success ? hostRead.data : null,
    port: port?.success ? port.data : null,
    hosts: hosts?.success ? hosts.data : null,
    logLevel: unlessProblem(readChoice(env, 'PORTHOLE_LOG_LEVEL', 'log level', logLevels)),
    logFormat: unlessProblem(readChoice(env, 'PORTHOLE_LOG_FORMAT', 'log format', logFormats)),
    prober: unlessProblem(readProberChoice(env)),
    data: data === '' ? null : data,
    redisUrl: redisRead.success ? redisRead.data : null,
    token: secret === '' ? null : { name: environmentToken, sha256: hash('sha256', secret) },
    notes,
    problems,
  }
}
