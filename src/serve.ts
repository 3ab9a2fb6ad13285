import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { FastifyBaseLogger } from 'fastify'
import { buildApp } from './app.ts'
import { systemClock } from './clock.ts'
import type { Config } from './config/config.ts'
import { placeOf } from './config/places.ts'
import { createDialRules } from './domain/dial-rules.ts'
import type { Pause } from './domain/pause.ts'
import { escapeUnseen } from './domain/quote.ts'
import type { Service } from './domain/service.ts'
import { createAccess } from './http/access.ts'
import { capsFor } from './http/answer-caps.ts'
import { createConnections } from './http/connections.ts'
import { createEventStreams, mostStreams } from './http/event-streams.ts'
import { createLongAnswers } from './http/long-answers.ts'
import { createInForce } from './in-force.ts'
import { type Listening, listenAt, whyNoListener } from './listener.ts'
import { createLogOutput } from './log-output.ts'
import { createMetrics } from './metrics/metrics.ts'
import { watchGateways } from './monitor/gateways.ts'
import { createHistory } from './monitor/history.ts'
import { createLoop } from './monitor/loop.ts'
import { createMembers } from './monitor/members.ts'
import { createMonitor } from './monitor/monitor.ts'
import { watchBacklog, watchOverload } from './monitor/overload.ts'
import { watchPauses } from './monitor/pause-watch.ts'
import { createRegistry } from './monitor/registry.ts'
import { createRegistryLoad, nothingToLoad } from './monitor/registry-load.ts'
import { coverAll } from './monitor/responsibility.ts'
import { createTransitionLog } from './monitor/transition-log.ts'
import { forgetCounts } from './monitor/watch.ts'
import { createForeignWordLog, describeDropped, logNews, logReplicaNews, logUnreadable } from './news.ts'
import { shareDescriptors } from './prober/descriptors.ts'
import { createResolver } from './prober/resolver.ts'
import { countLookUpThreads } from './prober/resolver-options.ts'
import { startProber } from './prober/start.ts'
import { createReadiness } from './readiness.ts'
import { collectGarbage, keepGivingBack, manyServices } from './reclaim.ts'
import { createRegistrar } from './registrar/registrar.ts'
import type { Commons } from './replicas/start.ts'
import { createKeeper, type Keeper } from './store/keeper.ts'
import { createMemoryStore } from './store/memory.ts'
import { openSqliteStore } from './store/sqlite.ts'
import { createUnreadableEntries } from './store/unreadable.ts'
import { createTimeSlices } from './time-slices.ts'

/** A running Porthole. */
export type Porthole = {
  /** Where it listens, such as `http://127.0.0.1:8080`. */
  readonly url: string
  readonly log: FastifyBaseLogger
  /** The services there are, by their names. */
  readonly services: ReadonlyMap<string, Service>
  /** Puts a configuration read anew in force, and resolves once it is. The listener stays as it is. */
  reload(config: Config): Promise<void>
  /**
   * Memory may count: what is due is done, by what waits now and what was left out since this was asked last. With few services it never
   * may: what their garbage takes is next to nothing.
   */
  isCalm(): boolean
  /** A configuration could not be read: the one before stays in force. */
  reloadFailed(problems: readonly string[]): void
  /** /readyz fails, then no new connections, then requests under way are answered, then checks under way are abandoned. */
  close(): Promise<void>
  /** Resolves once the log is written, or after half a second: its disk may be full, or its reader stuck. */
  drainLog(): Promise<void>
}

/** What a running Porthole cannot change. */
const fixedSettings = [
  'listen',
  'data',
  'replicas',
  'limits',
  'retention',
  'metrics',
  'maxInFlight',
  'shutdownDelayMs',
  'logLevel',
] as const satisfies (keyof Config)[]

/** A line of the log, in which characters that do not show as themselves are escaped as JSON has it. Names may hold them. */
const escapeLine = (line: string) => `${escapeUnseen(line.trimEnd())}\n`

/** How long requests under way may take when closing, before the checks they wait for are abandoned; and again before their connections are cut. */
const closeGraceMs = 1000
/** How long the last lines of the log may take, in milliseconds. */
const drainLogMs = 500

/**
 * Puts the parts together and starts them: HTTP first, since one of the targets may be Porthole itself. A string says why it cannot be.
 * `onLog` is given the log as soon as there is one; `lookUpThreads` is how many look-ups of names run at once.
 */
export async function serve(
  config: Config,
  version: string,
  onLog: (log: Pick<Porthole, 'log' | 'drainLog'>) => void = () => undefined,
  lookUpThreads = countLookUpThreads(undefined),
): Promise<Porthole | string> {
  // Whatever is kept of a configuration for good does without its services, of which there may be others by then.
  const { services: _, places: __, ...first } = config
  const { data, limits, retention } = first
  const running = watchPauses(systemClock())
  const { pauses, paused, proberPaused, clock: machineClock } = running
  const commons = config.replicas === null ? null : await joinOthers(config.replicas)
  const clock = commons?.clock ?? machineClock
  const resolver = createResolver({ clock, maxInFlight: lookUpThreads })
  const descriptors = shareDescriptors({ wanted: config.maxInFlight, lookUps: lookUpThreads })
  const { checks: maxInFlight, extraDials: maxExtraDials } = descriptors
  const started = await startProber(config.prober, clock, resolver, machineClock.suspendedMs, maxExtraDials)
  if (typeof started === 'string') return `the ${config.prober} prober cannot run here: ${started}`
  const { prober, why } = started
  let latest: Pick<Config, 'services' | 'places' | 'access'> = config
  let rules = createDialRules(config.dial)
  const dialRules = () => rules
  // Without a token nothing can be registered here, so the file is the registry. Another replica may have tokens, or a newer file.
  const isFileAlone = commons === null && (data === null || config.access.tokens.length === 0)
  const unreadable = createUnreadableEntries()
  const { whyRegistration: whyUnreadable } = unreadable
  const registryLoad = isFileAlone ? { ...nothingToLoad, whyUnreadable } : createRegistryLoad(whyPending, whyUnreadable)
  const registry = createRegistry(registryLoad)
  const responsibility = commons?.assignment ?? coverAll()
  const slices = createTimeSlices()
  const monitor = createMonitor({ registry, prober, clock, maxInFlight, dialRules, responsibility, pauses, slices })
  const loop = createLoop({ monitor, clock, responsibility, pauses })
  const members = createMembers({ monitor, registry, resolver, clock, maxMembers: limits.targets, responsibility })
  const source = commons?.alone ?? monitor.transitions
  const transitions = createTransitionLog({ monitor, clock, ...retention, source })
  const history = createHistory({ monitor })
  const keeper = data === null || commons !== null ? null : keepIn(data)
  const store = commons?.store ?? keeper?.store ?? createMemoryStore(retention)
  const registrar = createRegistrar({ registry, store, clock, limits, isShared: commons !== null, pauses, unreadable })
  const { registrations } = registrar
  const about = { monitor, loop, log: transitions, registry, registrations, pauses, unreadable }
  const inForce = createInForce({
    registry,
    registrations,
    onDone: (done) => log.info(done, 'configuration in force'),
  })
  const replica = commons?.create({ ...about, apply: inForce.put }) ?? null
  const access = createAccess({ settings: config.access, clock })
  const connections = createConnections({ max: descriptors.connections, clock })
  const streams = createEventStreams({
    log: transitions,
    registry,
    clock,
    slices,
    maxStreams: mostStreams(connections.max),
  })
  const answers = createLongAnswers({ caps: capsFor(connections.max), slices })
  const readiness = createReadiness(monitor, keeper, replica)
  const logOutput = createLogOutput()
  const gateways = watchGateways({ monitor })
  const metrics = createMetrics({
    gateways,
    monitor,
    registry,
    clock,
    keeper,
    unreadable: data === null && commons === null ? null : unreadable,
    replica,
    streams,
    connections,
    answers,
    logLinesDropped: logOutput.dropped,
    prober: prober.name,
    version,
    pausedMs: running.totalMs,
    omit: config.metrics.omit,
    slices,
  })
  const parts = {
    monitor,
    registry,
    log: transitions,
    history,
    access,
    registrar,
    streams,
    connections,
    answers,
    limits,
    hosts: config.listen.hosts,
    placeOf: (name: string) => placeOf(latest, name),
    dialRules,
    readiness,
    metrics,
    whySolo: () => replica?.standing().failure ?? null,
    clock,
    slices,
    version,
  }
  const app = await buildApp(parts, {
    level: config.logLevel,
    stream: logOutput.stream,
    hooks: { streamWrite: escapeLine },
  })
  const { log } = app
  const drainLog = () => logOutput.drain(drainLogMs)
  logOutput.onResume((dropped) => log.error(dropped, describeDropped(dropped)))
  onLog({ log, drainLog })
  const found = replica?.sharing.recorded ?? monitor.transitions
  const overload = watchOverload({ monitor, clock })
  logNews(log, { monitor, members, found, overload, gateways: gateways.news, paused, proberPaused })
  paused.subscribe(noteAbsence)
  // What was counted as too old is trusted for longer, and no outcome says so.
  proberPaused.subscribe(() => {
    for (const watched of monitor.services.values()) if (watched.readsAs === 'unknown') forgetCounts(watched)
  })
  const logForeignWord = createForeignWordLog(log)
  registrations.foreign.subscribe(logForeignWord)
  logUnreadable(log, unreadable)
  if (replica !== null) logReplicaNews(log, replica.news, logForeignWord)

  async function joinOthers(settings: NonNullable<Config['replicas']>): Promise<Commons> {
    // Loaded only here: the client for Redis takes a tenth of a start.
    const { openCommons } = await import('./replicas/start.ts')
    return openCommons(settings, { retention, clock: machineClock })
  }

  /** Returns why the registry was not read yet, as a clause. */
  function whyPending(): string {
    const failure = keeper?.keeping().failure ?? replica?.standing().failure
    return failure ?? 'it is being read'
  }

  function keepIn(directory: string): Keeper {
    return createKeeper({
      name: 'sqlite',
      open: () =>
        openSqliteStore({
          directory,
          retention,
          since: Math.floor(clock.toEpoch(transitions.completeSince())),
          dating: machineClock.dating(),
          onNotice: (notice) => log.error(notice),
        }),
      log: transitions,
      clock,
      dating: machineClock.dating,
      async onLoad({ registrations: kept, drained, transitions, unreadable: unread = [] }) {
        unreadable.replace('kept', unread)
        await registrations.restore(kept, drained)
        registry.load.finish()
        const counts = { registrations: kept.length, drained: drained.length, transitions: transitions.length }
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

  /** A pause that is longer than some service's status is trusted leaves a gap in what is known. Other replicas went on meanwhile. */
  function noteAbsence(pause: Pause): void {
    if (replica !== null || pause.to - pause.from <= monitor.leastTrustMs()) return
    transitions.addAbsence(pause)
    keeper?.addAbsence(pause)
  }

  async function reload(next: Config): Promise<void> {
    const readAt = Date.now()
    const fixed = fixedSettings.filter((name) => !isDeepStrictEqual(next[name], first[name]))
    if (fixed.length > 0) log.warn({ settings: fixed }, 'these settings changed, and take effect at the next start')
    // Who reads events was let in by what held until now.
    if (!isDeepStrictEqual(next.access, latest.access)) streams.cutAll()
    latest = next
    rules = createDialRules(next.dial)
    access.configure(next.access)
    await (replica === null ? inForce.put(next) : replica.offer(next))
    metrics.configReloaded(true, readAt)
  }

  let closeListener: Listening['close'] = async () => undefined

  async function close(): Promise<void> {
    readiness.drain()
    await sleep(first.shutdownDelayMs)
    stopGivingBack()
    inForce.stop()
    running.stop()
    loop.stop()
    members.stop()
    registrations.close()
    // Others go on at once with what this one checked.
    await replica?.close()
    const closed = Promise.all([app.close(), closeListener()])
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
  await reload(config)
  if (config.services.length >= manyServices) {
    // While there is nobody yet whom that could hold up.
    collectGarbage()
  }
  if (keeper === null && replica === null)
    log.info(
      'memory only: what is registered, drained and what happened is forgotten at the next start; set data or PORTHOLE_DATA to keep it',
    )
  running.start(prober)
  await keeper?.start()
  const joined = replica?.start()
  const listening = await listenAt(app, config.listen)
  if (listening instanceof Error) {
    await prober.close()
    // Its disk may hang.
    await Promise.race([keeper?.close(), sleep(closeGraceMs)])
    await replica?.close()
    await drainLog()
    return whyNoListener(listening, config.listen)
  }
  closeListener = listening.close
  log.info(
    { prober: prober.name, maxInFlight, maxConnections: connections.max },
    `the ${prober.name} prober checks: ${why}`,
  )
  await joined
  loop.start()
  members.start()
  const stopGivingBack = keepGivingBack()
  const isBehind = watchBacklog(monitor)
  return {
    url: listening.url,
    log,
    services: registry.services,
    reload,
    isCalm: () => registry.services.size >= manyServices && !isBehind(),
    reloadFailed(problems) {
      metrics.configReloaded(false, Date.now())
      log.error({ problems }, 'the configuration has problems; the one before it stays in force')
    },
    close,
    drainLog,
  }
}
