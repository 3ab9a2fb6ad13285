import fastify, { type FastifyInstance, type FastifyServerOptions, LogController } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-zod-openapi'
import type { Clock } from './clock.ts'
import type { Access } from './http/access.ts'
import { addDocs } from './http/docs.ts'
import { eventRoutes, eventsRoute } from './http/events.ts'
import { openFastLane } from './http/fast-lane.ts'
import { healthRoutes } from './http/health.ts'
import { metricsRoutes } from './http/metrics.ts'
import { probeRoutes } from './http/probes.ts'
import { answerClientError, answerError, answerWithProblems, refuseOtherMethods } from './http/problem.ts'
import { createServiceRenderer } from './http/rendered.ts'
import { discoveryRoutes } from './http/sd.ts'
import { serviceRoutes } from './http/services.ts'
import { transitionRoutes } from './http/transitions.ts'
import type { Metrics } from './metrics/metrics.ts'
import type { Monitor } from './monitor/monitor.ts'
import type { Registry } from './monitor/registry.ts'
import type { TransitionLog } from './monitor/transition-log.ts'
import type { Readiness } from './readiness.ts'

/** What the routes look at. */
export type AppParts = {
  readonly monitor: Monitor
  readonly registry: Registry
  readonly log: TransitionLog
  readonly access: Access
  readonly readiness: Readiness
  readonly metrics: Metrics
  readonly clock: Clock
  readonly version: string
}

/** Porthole's HTTP server, every route in written order. It starts nothing and listens to nothing. */
export async function buildApp(
  parts: AppParts,
  logger: FastifyServerOptions['logger'] = false,
): Promise<FastifyInstance> {
  const app = fastify({
    logger: logger ?? false,
    // Load balancers ask every second: what they ask is no news. At debug level the hook below tells it.
    logController: new LogController({ disableRequestLogging: true }),
    routerOptions: { maxParamLength: 1000, ignoreTrailingSlash: true },
    // One logger for all requests; what is logged of one carries its id.
    childLoggerFactory: (log) => log,
    // A request that is not there by then is not coming, and holds a connection.
    requestTimeout: 10_000,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    frameworkErrors: answerError,
    clientErrorHandler: answerClientError,
  })
  app.setValidatorCompiler(validate)
  app.setSerializerCompiler(serializerCompiler)
  answerWithProblems(app)
  const refuse = refuseOtherMethods(app)
  observeRequests(app, parts.metrics)

  await addDocs(app, parts.version)
  const render = createServiceRenderer(parts.clock)
  await app.register(healthRoutes, { ...parts, render })
  await app.register(probeRoutes, parts)
  await app.register(metricsRoutes, parts)
  await app.register(serviceRoutes, parts)
  await app.register(transitionRoutes, parts)
  await app.register(eventRoutes, parts)
  await app.register(discoveryRoutes, parts)
  refuse()
  openFastLane(app, { ...parts, render })
  return app
}

/** Headers are described for the document and read where they matter: no request is refused for one. */
const validate: typeof validatorCompiler = (part) =>
  part.httpPart === 'headers' ? () => true : validatorCompiler(part)

function observeRequests(app: FastifyInstance, metrics: Metrics): void {
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'none'
    // How long a stream was open says nothing of how fast Porthole answers.
    if (route !== eventsRoute) metrics.observeRequest(request.method, route, reply.statusCode, reply.elapsedTime)
    const { id, method, url, log } = request
    log.debug({ reqId: id, method, url, statusCode: reply.statusCode }, 'request answered')
    done()
  })
}
