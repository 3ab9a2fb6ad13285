import { quote } from '../domain/quote.ts'
import type { Problem } from './problem.ts'
import { Host, Port } from './settings.ts'

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/** What the environment decides; null where it says nothing. An empty variable says nothing. */
export type Environment = {
  readonly host: string | null
  readonly port: number | null
  readonly logLevel: LogLevel | null
  readonly notes: readonly string[]
  readonly problems: readonly Problem[]
}

/** Reads PORTHOLE_HOST, PORTHOLE_PORT and PORTHOLE_LOG_LEVEL. */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): Environment {
  const { PORTHOLE_HOST: host = '', PORTHOLE_PORT: portText = '', PORTHOLE_LOG_LEVEL: levelText = '' } = env
  const notes: string[] = []
  const problems: Problem[] = []
  const report = (place: string, message = '') => problems.push({ place, path: '', message })

  const hostRead = Host.safeParse(host)
  if (host !== '' && !hostRead.success) report('PORTHOLE_HOST', hostRead.error.issues[0]?.message)

  // Kubernetes gives every pod the address of a Service called porthole under this very name.
  const injected = portText.startsWith('tcp://')
  if (injected) {
    notes.push(
      `PORTHOLE_PORT=${portText} is ignored: Kubernetes sets it for a Service called porthole (enableServiceLinks: false stops that)`,
    )
  }
  const port =
    portText === '' || injected ? null : Port.safeParse(/^\d{1,5}$/.test(portText) ? Number(portText) : portText)
  if (port?.success === false) report('PORTHOLE_PORT', port.error.issues[0]?.message)

  const logLevel = logLevels.find((level) => level === levelText) ?? null
  if (levelText !== '' && logLevel === null) {
    const all = `${logLevels.slice(0, -1).join(', ')} or ${logLevels.at(-1)}`
    report('PORTHOLE_LOG_LEVEL', `${quote(levelText)} is not a log level: write ${all}`)
  }
  return {
    host: host !== '' && hostRead.success ? hostRead.data : null,
    port: port?.success ? port.data : null,
    logLevel,
    notes,
    problems,
  }
}
