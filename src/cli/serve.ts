import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { FastifyBaseLogger } from 'fastify'
import { buildApp } from '../app.ts'
import type { Config } from '../config/config.ts'
import { locationOf } from '../config/syntax/source-locations.ts'
import type { Pause } from '../domain/health/pause.ts'
import type { Service } from '../domain/service/service.ts'
import { createDialRules } from '../domain/target/dial-rules.ts'
import { capsFor } from '../http/answers/answer-caps.ts'
import { createLongAnswers } from '../http/answers/long-answers.ts'
import { createConnections } from '../http/connections/connections.ts'
import { createEventStreams, mostStreams } from '../http/events/streams.ts'
import { createReadiness } from '../http/readiness.ts'
import { createAccess } from '../http/requests/access.ts'
import { createMetrics } from '../metrics/metrics.ts'
import { createAddressTracking } from '../monitor/discovery/address-tracking.ts'
import { watchGateways } from '../monitor/discovery/gateways.ts'
import { createMonitor } from '../monitor/monitor.ts'
import { ownAll } from '../monitor/ownership.ts'
import { createRegistry } from '../monitor/registry/registry.ts'
import { createRegistryLoad, nothingToLoad } from '../monitor/registry/registry-load.ts'
import { watchOverload } from '../monitor/scheduling/overload.ts'
import { watchPauses } from '../monitor/scheduling/pause-watch.ts'
import { createScheduler } from '../monitor/scheduling/scheduler.ts'
import { createHistory } from '../monitor/state/history.ts'
import { dropCachedCounts } from '../monitor/state/state.ts'
import { createTransitionLog } from '../monitor/transitions/transition-log.ts'
import { shareDescriptors } from '../prober/descriptors.ts'
import { createResolver } from '../prober/lookup/resolver.ts'
import { countLookUpThreads } from '../prober/lookup/resolver-options.ts'
import { startProber } from '../prober/start.ts'
import { createRegistrar } from '../registrar/registrar.ts'
import type { ReplicaBackend } from '../replicas/replica-backend.ts'
import { systemClock } from '../runtime/clock.ts'
import { createLogOutput } from '../runtime/log-output.ts'
import { collectGarbage, collectYoungGarbage, manyServices, startTrimming } from '../runtime/malloc.ts'
import { createTimeSlices } from '../runtime/time-slices.ts'
import { createMemoryStore } from '../store/memory.ts'
import { createRetryingStore, type RetryingStore } from '../store/retrying-store.ts'
import { openSqliteStore } from '../store/sqlite/sqlite.ts'
import { createUnreadableEntries } from '../store/unreadable.ts'
import { createConfigApplier } from './config-applier.ts'
import { explainListenError, type Listening, listenAt } from './listen-error.ts'
import { createForeignWordLog, describeDropped, logEvents, logReplicaEvents, logUnreadable } from './log/event-log.ts'
import { type FormatLine, formatAsJson } from './log/log-format.ts'
import { logPages, logStart } from './log/start-log.ts'

/** A running Porthole. */
export type Porthole = {
  /** The address at which it listens, such as `http://127.0.0.1:8080`. */
  readonly url: string
  readonly log: FastifyBaseLogger
  /** All services, by their names. */
  readonly services: ReadonlyMap<string, Service>
  /** Applies a reloaded configuration and resolves once it is in force. The listener stays as it is. */
  reload(config: Config): Promise<void>
  /** Logs and counts a configuration that cannot be read. The one before it stays in force. */
  reloadFailed(problems: readonly string[]): void
  /**
   * Closes Porthole. First /readyz fails. Then Porthole accepts no new connections, answers the requests under way, and abandons the checks
   * under way.
   */
  close(): Promise<void>
  /** Resolves once the log is written, or after half a second, because its disk may be full or its reader stuck. */
  drainLog(): Promise<void>
}

/** The settings of the process that are not in the configuration. */
export type ServeSettings = {
  readonly version: string
  /** The number of look-ups of names that run at once. */
  readonly lookUpThreads?: number
  /** The format of the log; JSON if it is left out. */
  readonly formatLine?: FormatLine
  /** Receives the log as soon as there is one. */
  readonly onLog?: (log: Pick<Porthole, 'log' | 'drainLog'>) => void
}

/** The settings that a running Porthole cannot change, each with the name that it has in the file. */
const fixedSettings = {
  listen: 'listen',
  data: 'data',
  replicas: 'replicas',
  limits: 'limits',
  retention: 'transitions',
  metrics: 'metrics',
  maxInFlight: 'maxInFlight',
  shutdownDelayMs: 'shutdownDelay',
} as const satisfies Partial<Record<keyof Config, string>>

/**
 * The time, in milliseconds, that requests under way have when Porthole closes, before the checks they wait for are abandoned. The requests have
 * the same time again before their connections are cut.
 */
const closeGraceMs = 1000
/** The time from listening until the garbage of the start is collected, in milliseconds. The first checks have begun then. */
const startMs = 500
/** The longest time that writing the last lines of the log may take, in milliseconds. */
const drainLogMs = 500

/**
 * Creates the parts and starts them. HTTP starts first, because one of the targets may be Porthole itself. Returns a sentence if Porthole cannot
 * start.
 */
export async function serve(
  config: Config,
  { version, lookUpThreads = countLookUpThreads(undefined), formatLine = formatAsJson, onLog }: ServeSettings,
): Promise<Porthole | string> {
  // `first` stays in memory for good, so it must not hold the services, which a reload may replace.
  const { services: _, sourceLocations: __, ...first } = config
  const { data, limits, retention } = first
  const running = watchPauses(systemClock())
  const { pauses, paused, proberPaused, clock: machineClock } = running
  const replicaBackend = config.replicas === null ? null : await joinOthers(config.replicas)
  const clock = replicaBackend?.clock ?? machineClock
  const resolver = createResolver({ clock, maxInFlight: lookUpThreads })
  const descriptors = shareDescriptors({ wanted: config.maxInFlight, lookUps: lookUpThreads })
  const { checks: maxInFlight, extraDials: maxExtraDials } = descriptors
  const started = await startProber(config.prober, {
    clock,
    resolver,
    suspendedMs: machineClock.suspendedMs,
    maxExtraDials,
  })
  if (typeof started === 'string') return `the ${config.prober} prober cannot run here: ${started}`
  const { prober, why } = started
  let latest: Pick<Config, 'services' | 'sourceLocations' | 'access'> = config
  let rules = createDialRules(config.dial)
  const dialRules = () => rules
  // Without a token no client can register services here, so the file is the registry. Another replica may have tokens, or a newer file.
  const isFileAlone = replicaBackend === null && (data === null || config.access.tokens.length === 0)
  const unreadable = createUnreadableEntries()
  const { whyRegistration: whyUnreadable } = unreadable
  const registryLoad = isFileAlone ? { ...nothingToLoad, whyUnreadable } : createRegistryLoad(whyPending, whyUnreadable)
  const registry = createRegistry(registryLoad)
  const ownership = replicaBackend?.shardOwnership ?? ownAll()
  const slices = createTimeSlices()
  const monitor = createMonitor({ registry, prober, clock, maxInFlight, dialRules, ownership, pauses, slices })
  const scheduler = createScheduler({ monitor, clock, ownership, pauses })
  const addressTracking = createAddressTracking({
    monitor,
    registry,
    resolver,
    clock,
    maxAddresses: limits.targets,
    ownership,
  })
  const source = replicaBackend?.alone ?? monitor.transitions
  const transitions = createTransitionLog({ monitor, clock, ...retention, source })
  const history = createHistory({ monitor })
  const retryingStore = data === null || replicaBackend !== null ? null : keepIn(data)
  const store = replicaBackend?.store ?? retryingStore?.store ?? createMemoryStore(retention)
  const registrar = createRegistrar({
    registry,
    store,
    clock,
    limits,
    isShared: replicaBackend !== null,
    pauses,
    unreadable,
  })
  const { registrations } = registrar
  const about = { monitor, scheduler, log: transitions, registry, registrations, pauses, unreadable }
  const configApplier = createConfigApplier({
    registry,
    registrations,
    onDone: (done) => log.info(done, 'configuration in force'),
  })
  const replica = replicaBackend?.create({ ...about, apply: configApplier.put }) ?? null
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
  const readiness = createReadiness(monitor, retryingStore, replica)
  const logOutput = createLogOutput()
  const gateways = watchGateways({ monitor })
  const metrics = createMetrics({
    gateways,
    monitor,
    registry,
    clock,
    retryingStore,
    unreadable: data === null && replicaBackend === null ? null : unreadable,
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
    placeOf: (name: string) => locationOf(latest, name),
    dialRules,
    readiness,
    metrics,
    whySolo: () => replica?.replicaStatus().failure ?? null,
    clock,
    slices,
    version,
  }
  const app = await buildApp(parts, {
    level: config.logLevel,
    stream: logOutput.stream,
    hooks: { streamWrite: formatLine },
  })
  const { log } = app
  const drainLog = () => logOutput.drain(drainLogMs)
  logOutput.onResume((dropped) => log.error(dropped, describeDropped(dropped)))
  onLog?.({ log, drainLog })
  logStart(log, { version, prober: prober.name, config: first })
  const found = replica?.healthReplication.recorded ?? monitor.transitions
  const overload = watchOverload({ monitor, clock })
  logEvents(log, { monitor, addressTracking, found, overload, gateways: gateways.news, paused, proberPaused })
  paused.subscribe(recordGap)
  // The pause of the prober extends the trust in statuses that had gone stale. No outcome announces that, so drop the cached counts.
  proberPaused.subscribe(() => {
    for (const state of monitor.services.values()) if (state.cachedStatus === 'unknown') dropCachedCounts(state)
  })
  const logForeignWord = createForeignWordLog(log)
  registrations.foreign.subscribe(logForeignWord)
  logUnreadable(log, unreadable)
  if (replica !== null) logReplicaEvents(log, replica.news, logForeignWord)

  async function joinOthers(settings: NonNullable<Config['replicas']>): Promise<ReplicaBackend> {
    // Load the client for Redis only here, because it takes a tenth of a start.
    const { openReplicaBackend } = await import('../replicas/replica-backend.ts')
    return openReplicaBackend(settings, { retention, clock: machineClock })
  }

  /** Returns why the registry was not read yet, as a clause. */
  function whyPending(): string {
    const failure = retryingStore?.storeState().failure ?? replica?.replicaStatus().failure
    return failure ?? 'it is being read'
  }

  function keepIn(directory: string): RetryingStore {
    return createRetryingStore({
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
        log.info({ directory, ...counts }, 'the stored state is in force')
      },
      onFailure(failure) {
        if (failure === null) log.info('the store works again')
        else
          log.error(
            { failure },
            'the store fails: checks go on, changes are refused, and transitions wait to be written',
          )
      },
    })
  }

  /**
   * Records a gap for a pause that is longer than the shortest time for which a status is trusted. With replicas it records nothing, because the
   * others went on.
   */
  function recordGap(pause: Pause): void {
    if (replica !== null || pause.to - pause.from <= monitor.leastTrustMs()) return
    transitions.addGap(pause)
    retryingStore?.addGap(pause)
  }

  async function reload(next: Config): Promise<void> {
    const readAt = Date.now()
    const fixed = Object.keys(fixedSettings) as (keyof typeof fixedSettings)[]
    const settings = fixed.filter((key) => !isDeepStrictEqual(next[key], first[key])).map((key) => fixedSettings[key])
    if (settings.length > 0) log.warn({ settings }, 'these settings changed, and take effect at the next start')
    // The old rules of access let the readers of event streams in.
    if (!isDeepStrictEqual(next.access, latest.access)) streams.cutAll()
    latest = next
    rules = createDialRules(next.dial)
    access.configure(next.access)
    await (replica === null ? configApplier.put(next) : replica.offer(next))
    metrics.configReloaded(true, readAt)
  }

  let closeListener: Listening['close'] = async () => undefined

  async function close(): Promise<void> {
    readiness.drain()
    await sleep(first.shutdownDelayMs)
    stopTrimming()
    clearTimeout(startIsOver)
    configApplier.stop()
    running.stop()
    scheduler.stop()
    addressTracking.stop()
    registrations.close()
    // The other replicas take over the services of this one at once.
    await replica?.close()
    const closed = Promise.all([app.close(), closeListener()])
    await Promise.race([closed, sleep(closeGraceMs)])
    await prober.close()
    await Promise.race([closed, sleep(closeGraceMs)])
    app.server.closeAllConnections()
    await closed
    await retryingStore?.close()
  }

  if (config.maxInFlight !== null && maxInFlight < config.maxInFlight) {
    log.warn(
      { wanted: config.maxInFlight, maxInFlight },
      'fewer checks in flight than configured: the limit on open files allows no more',
    )
  }
  await reload(config)
  if (config.services.length >= manyServices) {
    // Collect now, because no client waits yet.
    collectGarbage()
  }
  if (retryingStore === null && replica === null)
    log.info(
      'memory only: registrations, drains and transitions are lost at the next start; set data or PORTHOLE_DATA to keep them',
    )
  running.start(prober)
  await retryingStore?.start()
  const joined = replica?.start()
  const listening = await listenAt(app, config.listen)
  if (listening instanceof Error) {
    await prober.close()
    // The disk of the store may hang.
    await Promise.race([retryingStore?.close(), sleep(closeGraceMs)])
    await replica?.close()
    await drainLog()
    return explainListenError(listening, config.listen)
  }
  closeListener = listening.close
  logPages(log, listening.url)
  log.info(
    { prober: prober.name, maxInFlight, maxConnections: connections.max },
    `the ${prober.name} prober checks: ${why}`,
  )
  await joined
  scheduler.start()
  addressTracking.start()
  const stopTrimming = startTrimming()
  const startIsOver = setTimeout(collectYoungGarbage, startMs).unref()
  return {
    url: listening.url,
    log,
    services: registry.services,
    reload,
    reloadFailed(problems) {
      metrics.configReloaded(false, Date.now())
      log.error({ problems }, 'the configuration has problems; the one before it stays in force')
    },
    close,
    drainLog,
  }
}
