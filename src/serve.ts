import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { FastifyBaseLogger } from 'fastify'
import { buildApp } from './app.ts'
import { systemClock } from './clock.ts'
import type { Config } from './config/config.ts'
import type { Transition } from './domain/transition.ts'
import { createAccess } from './http/access.ts'
import { createMetrics } from './metrics/metrics.ts'
import { createLoop } from './monitor/loop.ts'
import { createMonitor } from './monitor/monitor.ts'
import { createRegistry, type Registry } from './monitor/registry.ts'
import { createTransitionLog } from './monitor/transition-log.ts'
import { boundInFlight, descriptorLimit } from './prober/descriptors.ts'
import { startProber } from './prober/start.ts'
import { createReadiness } from './readiness.ts'

/** A running Porthole. */
export type Porthole = {
  /** Where it listens, such as `http://127.0.0.1:8080`. */
  readonly url: string
  readonly log: FastifyBaseLogger
  /** Puts a configuration read anew in force. The listener stays as it is. */
  reload(config: Config): void
  /** A configuration could not be read: the one before stays in force. */
  reloadFailed(problems: readonly string[]): void
  /** /readyz fails, then no new connections, then requests under way are answered, then checks under way are abandoned. */
  close(): Promise<void>
}

/** What a running Porthole cannot change. */
const fixedSettings = ['listen', 'maxInFlight', 'shutdownDelayMs', 'logLevel'] as const satisfies (keyof Config)[]

/** How long requests under way may take when closing, before the checks they wait for are abandoned; and again before their connections are cut. */
const closeGraceMs = 1000

/** Puts the parts together and starts them: HTTP first, since one of the targets may be Porthole itself. A string says why it cannot be. */
export async function serve(config: Config, version: string): Promise<Porthole | string> {
  const clock = systemClock()
  const started = await startProber(config.prober, clock)
  if (typeof started === 'string') return `the ${config.prober} prober cannot run here: ${started}`
  const { prober, why } = started
  const registry = createRegistry()
  const maxInFlight = boundInFlight(config.maxInFlight, descriptorLimit())
  const monitor = createMonitor({ registry, prober, clock, maxInFlight })
  const loop = createLoop({ monitor, clock })
  const transitions = createTransitionLog({ monitor, clock })
  const readiness = createReadiness(monitor)
  const metrics = createMetrics({ monitor, registry, clock, prober: prober.name, version })
  const access = createAccess({ settings: { tokens: [], details: 'all' }, clock })
  const parts = { monitor, registry, log: transitions, access, readiness, metrics, clock, version }
  const app = await buildApp(parts, { level: config.logLevel })
  const { log } = app
  monitor.transitions.subscribe((transition) => logTransition(log, registry, transition))

  function reload(next: Config): void {
    const { services, groups } = next
    const fixed = fixedSettings.filter((name) => !isDeepStrictEqual(next[name], config[name]))
    if (fixed.length > 0) log.warn({ settings: fixed }, 'these settings changed, and take effect at the next start')
    const { put, removed } = registry.replaceAll(services, groups)
    metrics.configReloaded(true, Date.now())
    log.info({ services: services.length, changed: put.length, removed: removed.length }, 'configuration in force')
  }

  async function close(): Promise<void> {
    readiness.drain()
    await sleep(config.shutdownDelayMs)
    loop.stop()
    const closed = app.close()
    await Promise.race([closed, sleep(closeGraceMs)])
    await prober.close()
    await Promise.race([closed, sleep(closeGraceMs)])
    app.server.closeAllConnections()
    await closed
  }

  if (config.maxInFlight !== null && maxInFlight < config.maxInFlight) {
    log.warn(
      { wanted: config.maxInFlight, maxInFlight },
      'fewer checks in flight than configured: the limit on open files allows no more',
    )
  }
  reload(config)
  const url = await app.listen({ ...config.listen }).catch((error: NodeJS.ErrnoException) => error)
  if (url instanceof Error) {
    await prober.close()
    return whyNoListener(url, config)
  }
  log.info({ prober: prober.name, maxInFlight }, `the ${prober.name} prober checks: ${why}`)
  loop.start()
  return {
    url,
    log,
    reload,
    reloadFailed(problems) {
      metrics.configReloaded(false, Date.now())
      log.error({ problems }, 'the configuration has problems; the one before it stays in force')
    },
    close,
  }
}

function whyNoListener(error: NodeJS.ErrnoException, { listen }: Config): string {
  const where = `${listen.host}:${listen.port}`
  const remedy = 'set listen in the configuration, or PORTHOLE_HOST and PORTHOLE_PORT'
  switch (error.code) {
    case 'EADDRINUSE':
      return `${where} is taken by another program: stop it, or ${remedy}`
    case 'EACCES':
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
    case 'EAI_AGAIN':
    case 'ENOTFOUND':
      return `cannot listen on ${where} (${error.code}): ${remedy}`
    default:
      throw error
  }
}

/** What everyone wants to know at info: a first answer that is good would fill a start, and a service of one target would say all twice. */
function logTransition(log: FastifyBaseLogger, registry: Registry, transition: Transition): void {
  const { service, target, from, to, reason, message } = transition
  const isFirstGood = from === 'unknown' && to === 'up'
  const isSaidTwice = target !== null && registry.services.get(service)?.targets.length === 1
  const level = isFirstGood || isSaidTwice ? 'debug' : 'info'
  log[level]({ service, target, from, to, reason }, `${target ?? service} is ${to}: ${message}`)
}
