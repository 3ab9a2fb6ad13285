import { readFileSync, writeFileSync } from 'node:fs'
import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import { fastifyZodOpenApiPlugin, fastifyZodOpenApiTransformers } from 'fastify-zod-openapi'
import { buildApp } from '../src/app.ts'
import { defaultLimits } from '../src/domain/service/limits.ts'
import { createDialRules } from '../src/domain/target/dial-rules.ts'
import { createLongAnswers } from '../src/http/answers/long-answers.ts'
import { createConnections } from '../src/http/connections/connections.ts'
import { createEventStreams } from '../src/http/events/streams.ts'
import { createReadiness } from '../src/http/readiness.ts'
import { createAccess } from '../src/http/requests/access.ts'
import { createMetrics } from '../src/metrics/metrics.ts'
import { createMonitor } from '../src/monitor/monitor.ts'
import { createRegistry } from '../src/monitor/registry/registry.ts'
import { createHistory } from '../src/monitor/state/history.ts'
import { createTransitionLog } from '../src/monitor/transitions/transition-log.ts'
import type { Prober } from '../src/prober/prober.ts'
import { createRegistrar } from '../src/registrar/registrar.ts'
import { systemClock } from '../src/runtime/clock.ts'
import { createTimeSlices } from '../src/runtime/time-slices.ts'
import { createMemoryStore } from '../src/store/memory.ts'

/** The file of the committed document. */
export const documentFile = new URL('openapi.json', import.meta.url)

const prober: Prober = {
  name: 'portable',
  check: () => undefined,
  restarts: () => 0,
  close: async () => undefined,
}

/** Describes every route that is added after this call. */
export async function describeRoutes(app: FastifyInstance, version: string): Promise<void> {
  await app.register(fastifyZodOpenApiPlugin)
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Porthole',
        version,
        description:
          'Makes TCP services checkable over HTTP: status codes for probes, reports for people, metrics for Prometheus. A request with several Host headers, or with an invalid one, gets 400. With `listen.hosts`, a request that names another host gets 421.',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      tags: [
        { name: 'health', description: 'The health of services.' },
        { name: 'services', description: 'The services and their definitions, and checks on demand.' },
        { name: 'transitions', description: 'Changes of status, and uptime.' },
        { name: 'events', description: 'A live stream of changes.' },
        { name: 'discovery', description: 'The services and their targets, for other programs.' },
        { name: 'page', description: 'The status page and badges, for people.' },
        { name: 'porthole', description: 'Porthole itself: probes and metrics.' },
      ],
      components: {
        securitySchemes: {
          token: {
            type: 'http',
            scheme: 'bearer',
            description: 'Changes need a token. With `details: token`, every route under `/v1` needs one too.',
          },
        },
      },
    },
    ...fastifyZodOpenApiTransformers,
  })
}

/** Returns the OpenAPI document of the routes, as text. The app listens on no port and checks no target. */
export async function generateDocument(): Promise<string> {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  const clock = systemClock()
  const registry = createRegistry()
  const monitor = createMonitor({ registry, prober, clock, maxInFlight: 1 })
  const log = createTransitionLog({ monitor, clock })
  const streams = createEventStreams({ log, registry, clock })
  const metrics = createMetrics(
    { monitor, registry, clock, retryingStore: null, streams, prober: prober.name, version },
    { runtime: false },
  )
  const registrar = createRegistrar({
    registry,
    store: createMemoryStore({ maxCount: 1, maxAgeMs: 1 }),
    clock,
    limits: defaultLimits,
  })
  const rules = createDialRules({})
  const readiness = createReadiness(monitor)
  const access = createAccess({ settings: { tokens: [], details: 'all' }, clock })
  const app = await buildApp(
    {
      monitor,
      registry,
      log,
      history: createHistory({ monitor }),
      access,
      registrar,
      streams,
      connections: createConnections({ max: 1, clock }),
      slices: createTimeSlices(),
      answers: createLongAnswers(),
      limits: defaultLimits,
      placeOf: () => null,
      dialRules: () => rules,
      readiness,
      metrics,
      clock,
      version,
    },
    false,
    (app) => describeRoutes(app, version),
  )
  await app.ready()
  const text = `${JSON.stringify(app.swagger(), null, 2)}\n`
  await app.close()
  return text
}

if (import.meta.main) writeFileSync(documentFile, await generateDocument())
