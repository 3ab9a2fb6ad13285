import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { FastifyBaseLogger } from 'fastify'
import { buildApp } from './app.ts'
import { systemClock } from './clock.ts'
import type { Config } from './config/config.ts'
import { createDialRules } from './domain/dial-rules.ts'
import { createAccess } from './http/access.ts'
import { createEventStreams } from './http/event-streams.ts'
import { createMetrics } from './metrics/metrics.ts'
import { createLoop } from './monitor/loop.ts'
import { createMembers } from './monitor/members.ts'
import { createMonitor } from './monitor/monitor.ts'
import { createRegistry } from './monitor/registry.ts'
import { createTransitionLog } from './monitor/transition-log.ts'
import { logNews } from './news.ts'
import { boundInFlight, descriptorLimit } from './prober/descriptors.ts'
import { createResolver } from './prober/resolver.ts'
import { startProber } from './prober/start.ts'
import { createReadiness } from './readiness.ts'
import { createRegistrar } from './registrar.ts'
import { createKeeper, type Keeper } from './store/keeper.ts'
import { createMemoryStore } from './store/memory.ts'
import { openSqliteStore } from './store/sqlite.ts'

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
const fixedSettings = [
  'listen',
  'data',
  'limits',
  'retention',
  'maxInFlight',
  'shutdownDelayMs',
  'logLevel',
] as const satisfies (keyof Config)[]

/** How long requests under way may take when closing, before the checks they wait for are abandoned; and again before their connections are cut. */
const closeGraceMs = 1000

/** Puts the parts together and starts them: HTTP first, since one of the targets may be Porthole itself. A string says why it cannot be. */
export async function serve(config: Config, version: string): Promise<Porthole | string> {
  const clock = systemClock()
  const resolver = createResolver({ clock })
  const started = await startProber(config.prober, clock, resolver)
  if (typeof started === 'string') return `the ${config.prober} prober cannot run here: ${started}`
  const { prober, why } = started
  const { data, limits, retention } = config
  let inForce = config
  let rules = createDialRules(config.dial)
  const dialRules = () => rules
  const registry = createRegistry()
  const maxInFlight = boundInFlight(config.maxInFlight, descriptorLimit())
  const monitor = createMonitor({ registry, prober, clock, maxInFlight, dialRules })
  const loop = createLoop({ monitor, clock })
  const members = createMembers({ monitor, registry, resolver, clock, maxMembers: limits.targets })
  const transitions = createTransitionLog({ monitor, clock, ...retention })
  const keeper = data === null ? null : keepIn(data)
  const registrar = createRegistrar({ registry, store: keeper?.store ?? createMemoryStore(retention), clock, limits })
  const access = createAccess({ settings: config.access, clock })
  const streams = createEventStreams({ log: transitions, registry, clock })
  const readiness = createReadiness(monitor, keeper)
  const metrics = createMetrics({ monitor, registry, clock, keeper, streams, prober: prober.name, version })
  const parts = {
    monitor,
    registry,
    log: transitions,
    access,
    registrar,
    streams,
    limits,
    placeOf: (name: string) => inForce.placeOf(name),
    dialRules,
    readiness,
    metrics,
    clock,
    version,
  }
  const app = await buildApp(parts, { level: config.logLevel })
  const { log } = app
  logNews(log, { monitor, members })

  function keepIn(directory: string): Keeper {
    return createKeeper({
      name: 'sqlite',
      open: () =>
        openSqliteStore({ directory, retention, since: Math.floor(clock.toEpoch(transitions.completeSince())) }),
      log: transitions,
      clock,
      onLoad({ registrations, drained, transitions }) {
        for (const problem of registrar.restore(registrations, drained)) log.error(problem)
        const counts = { registrations: registrations.length, drained: drained.length, transitions: transitions.length }
        log.info({ directory, ...counts }, 'what was kept is in force')
      },
      onFailure(failure) {
        if (failure === null) log.info('the store keeps again what it is given')
        else
          log.error(
            { failure },
            'the store fails: checks go on, changes are refused, and transitions wait to be written',
          )
      },
    })
  }

  function reload(next: Config): void {
    const { services, groups } = next
    const fixed = fixedSettings.filter((name) => !isDeepStrictEqual(next[name], config[name]))
    if (fixed.length > 0) log.warn({ settings: fixed }, 'these settings changed, and take effect at the next start')
    inForce = next
    rules = createDialRules(next.dial)
    access.configure(next.access)
    const { put, removed } = registry.replaceAll(services, groups)
    registrar.setDefaults(next.defaults)
    metrics.configReloaded(true, Date.now())
    log.info({ services: services.length, changed: put.length, removed: removed.length }, 'configuration in force')
  }

  async function close(): Promise<void> {
    readiness.drain()
    await sleep(config.shutdownDelayMs)
    loop.stop()
    members.stop()
    registrar.close()
    const closed = app.close()
    await Promise.race([closed, sleep(closeGraceMs)])
    await prober.close()
    await Promise.race([closed, sleep(closeGraceMs)])
    app.server.closeAllConnections()
    await closed
    await keeper?.close()
  }

  if (config.maxInFlight !== null && maxInFlight < config.maxInFlight) {
    log.warn(
      { wanted: config.maxInFlight, maxInFlight },
      'fewer checks in flight than configured: the limit on open files allows no more',
    )
  }
  reload(config)
  if (keeper === null)
    log.info(
      'memory only: what is registered, drained and what happened is forgotten at the next start; set data or PORTHOLE_DATA to keep it',
    )
  await keeper?.start()
  const url = await app.listen({ ...config.listen }).catch((error: NodeJS.ErrnoException) => error)
  if (url instanceof Error) {
    await prober.close()
    await keeper?.close()
    return whyNoListener(url, config)
  }
  log.info({ prober: prober.name, maxInFlight }, `the ${prober.name} prober checks: ${why}`)
  loop.start()
  members.start()
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
