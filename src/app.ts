import fastify, {
  type FastifyInstance,
  type FastifyPluginAsync,
  type FastifyServerOptions,
  LogController,
} from 'fastify'
import type { Limits } from './domain/service/limits.ts'
import type { DialRules } from './domain/target/dial-rules.ts'
import { boundAnswers } from './http/answers/bound-answers.ts'
import type { LongAnswers } from './http/answers/long-answers.ts'
import { defaultPace } from './http/answers/pacing.ts'
import { answerClientError, answerError, answerWithProblems, refuseOtherMethods } from './http/answers/problem.ts'
import { secureAnswers, securityHeaders } from './http/answers/security.ts'
import type { Connections } from './http/connections/connections.ts'
import { answerOneAtATime } from './http/connections/one-at-a-time.ts'
import { closeStalled } from './http/connections/stalled.ts'
import { addDocs, describeDetails } from './http/docs.ts'
import { eventRoutes, eventsRoute } from './http/events/events.ts'
import type { EventStreams } from './http/events/streams.ts'
import { openFastPath } from './http/health/fast-path.ts'
import { healthRoutes } from './http/health/health.ts'
import { probeRoutes } from './http/health/probes.ts'
import { createReportCache } from './http/health/report-cache.ts'
import { metricsRoutes } from './http/metrics.ts'
import type { Readiness } from './http/readiness.ts'
import { drainRoutes } from './http/registrations/drain.ts'
import { registrationRoutes } from './http/registrations/registrations.ts'
import type { Access } from './http/requests/access.ts'
import { createHosts } from './http/requests/hosts.ts'
import { closeAfterUnreadBody } from './http/requests/no-body.ts'
import { answerOptions } from './http/requests/options.ts'
import { readJsonBodies } from './http/requests/request-body.ts'
import { schemaController } from './http/requests/schemas.ts'
import { requireVersion } from './http/requests/version.ts'
import { createNameOrder, type NameOrder } from './http/services/name-order.ts'
import { discoveryRoutes } from './http/services/sd.ts'
import { serviceRoutes } from './http/services/services.ts'
import { transitionRoutes } from './http/services/transitions.ts'
import type { Metrics } from './metrics/metrics.ts'
import type { Monitor } from './monitor/monitor.ts'
import type { Registry } from './monitor/registry/registry.ts'
import type { History } from './monitor/state/history.ts'
import type { TransitionLog } from './monitor/transitions/transition-log.ts'
import { badgeRoutes } from './page/badge/badge-routes.ts'
import { pageRoutes } from './page/routes.ts'
import type { Registrar } from './registrar/registrar.ts'
import type { Clock } from './runtime/clock.ts'
import type { TimeSlices } from './runtime/time-slices.ts'

/** How long a request may take to arrive, in milliseconds. */
const requestTimeoutMs = 10_000

/**
 * How long a connection may stall, in milliseconds. The limit is longer than the one for a chunk of a long answer, so that a stalled long answer
 * counts as cut off.
 */
const stalledMs = defaultPace.chunkMs + 5000

/** The parts of Porthole that the routes read. */
export type AppParts = {
  readonly monitor: Monitor
  readonly registry: Registry
  readonly log: TransitionLog
  readonly history: History
  readonly access: Access
  readonly registrar: Registrar
  /** The open event streams. */
  readonly streams: EventStreams
  readonly connections: Connections
  readonly answers: LongAnswers
  readonly limits: Limits
  /** The host names that a request may name, besides IP addresses and localhost. Null or left out allows any name. */
  readonly hosts?: readonly string[] | null
  /** Returns where the configuration defines a service; null where it does not. */
  readonly placeOf: (name: string) => string | null
  /** Returns the dial rules that hold now for services that are registered over HTTP. */
  readonly dialRules: () => DialRules
  readonly readiness: Readiness
  readonly metrics: Metrics
  /** Returns why this replica cannot work with the others, as a sentence. Null while it can, or where Porthole runs alone. */
  readonly whySolo?: () => string | null
  readonly clock: Clock
  /** Lets loops over many services share the event loop. */
  readonly slices: TimeSlices
  readonly version: string
}

/**
 * Builds Porthole's HTTP server with every route. The caller starts it: nothing runs and nothing listens yet. `beforeRoutes` is called before the
 * routes are added.
 */
export async function buildApp(
  parts: AppParts,
  logger: FastifyServerOptions['logger'] = false,
  beforeRoutes: (app: FastifyInstance) => Promise<void> = async () => undefined,
): Promise<FastifyInstance> {
  const app = fastify({
    logger: logger ?? false,
    // Load balancers ask every second, so the log names no request. At debug level the hook in `observeRequests` logs each one.
    logController: new LogController({ disableRequestLogging: true }),
    routerOptions: { maxParamLength: 1000, ignoreTrailingSlash: true },
    // All requests share one logger. A log line about one request carries its id.
    childLoggerFactory: (log) => log,
    // A request that has not arrived after this time is unlikely to arrive, and it holds a connection.
    requestTimeout: requestTimeoutMs,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    http: {
      // Node.js would refuse such a request with an empty answer. The hook `requireHost` says why.
      requireHostHeader: false,
      // Otherwise a body may trickle in for a minute and a half, despite `requestTimeout`.
      headersTimeout: requestTimeoutMs,
      connectionsCheckingInterval: 1000,
    },
    // A request that cannot be routed passes no hook, so the security headers are added here.
    frameworkErrors: (error, request, reply) => answerError(error, request, reply.headers(securityHeaders)),
    clientErrorHandler: answerClientError,
    schemaController,
  })
  readJsonBodies(app)
  secureAnswers(app)
  // Porthole ignores an expectation that it does not know, which RFC 9110 §10.1.1 allows. Node.js would refuse it with an empty answer.
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response))
  const hosts = createHosts(parts.hosts ?? null)
  app.addHook('onRequest', requireVersion)
  app.addHook('onRequest', hosts.requireHost)
  answerWithProblems(app)
  const refuse = refuseOtherMethods(app)
  answerOptions(app)
  observeRequests(app, parts.metrics)
  boundAnswers(app, parts.answers)

  await beforeRoutes(app)
  addDocs(app, parts.answers)
  const render = createReportCache(parts.clock)
  const names = createNameOrder(parts)
  app.addHook('onClose', async () => names.close())
  await app.register(healthRoutes, { ...parts, render })
  await app.register(probeRoutes, parts)
  await app.register(metricsRoutes, parts)
  await app.register(detailRoutes, { ...parts, names })
  await app.register(pageRoutes, { ...parts, names })
  await app.register(badgeRoutes, parts)
  refuse()
  // The step that is added last sees a request first.
  closeAfterUnreadBody(app.server)
  closeStalled(app.server, stalledMs)
  openFastPath(app, { ...parts, render, hosts })
  answerOneAtATime(app.server)
  parts.connections.watch(app.server)
  parts.connections.crowded.subscribe((crowding) =>
    app.log.warn(
      crowding,
      'connections are at their maximum: the oldest idle ones of the client that holds the most are closed for new ones',
    ),
  )
  parts.access.limited.subscribe((client) => app.log.warn({ client }, 'too many wrong tokens: this client has to wait'))
  return app
}

/** Adds the routes under /v1. With `details: token` they need a token, because they show targets and addresses. */
const detailRoutes: FastifyPluginAsync<AppParts & { names: NameOrder }> = async (app, parts) => {
  app.addHook('onRequest', parts.access.requireTokenForDetails)
  describeDetails(app)
  await app.register(serviceRoutes, parts)
  await app.register(registrationRoutes, parts)
  await app.register(drainRoutes, parts)
  await app.register(transitionRoutes, parts)
  await app.register(eventRoutes, parts)
  await app.register(discoveryRoutes, parts)
}

function observeRequests(app: FastifyInstance, metrics: Metrics): void {
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'none'
    // The time that a stream was open says nothing about how fast Porthole answers.
    if (route !== eventsRoute) metrics.observeRequest(request.method, route, reply.statusCode, reply.elapsedTime)
    const { id, method, url, log } = request
    log.debug({ reqId: id, method, url, statusCode: reply.statusCode }, 'request answered')
    done()
  })
}
