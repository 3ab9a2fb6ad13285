import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'
import type { Clock } from '../clock.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { Monitor } from '../monitor/monitor.ts'
import { healthHeaders, statusCodeOf } from './health-answer.ts'
import type { RenderService } from './rendered.ts'

type Parts = { monitor: Monitor; metrics: Metrics; clock: Clock; render: RenderService }

const prefix = '/health/'

/**
 * Answers `GET /health/{service}` before Fastify sees it, where a probe asks in the plainest way for what is known. It is
 * what load balancers and kubelets ask all day, and Fastify's routing, validation and hooks are most of its cost.
 * Everything else goes on to the route of the same path, whose answers are the same to the byte.
 */
export function openFastLane(app: FastifyInstance, { monitor, metrics, clock, render }: Parts): void {
  let closing = false
  app.addHook('preClose', (done) => {
    closing = true
    done()
  })

  function answer(request: IncomingMessage, response: ServerResponse): boolean {
    const { url = '', headers, method } = request
    if (closing || method !== 'GET' || !url.startsWith(prefix) || !isPlain(url)) return false
    if (headers['cache-control'] !== undefined || !acceptsJson(headers.accept)) return false
    const startedAt = clock.now()
    const watched = monitor.services.get(url.slice(prefix.length))
    if (watched === undefined || watched.service.policy.intervalMs === null) return false
    const { report, json, bytes, checkedAt } = render(watched)
    const statusCode = statusCodeOf(report.status)
    const known = healthHeaders('application/json', checkedAt, clock.now())
    response.writeHead(statusCode, { ...known, 'content-length': bytes })
    response.end(json)
    metrics.observeRequest('GET', '/health/:service', statusCode, clock.now() - startedAt)
    app.log.debug({ method, url, statusCode }, 'request answered')
    return true
  }

  const [fastify] = app.server.listeners('request') as ((request: IncomingMessage, response: ServerResponse) => void)[]
  app.server.removeAllListeners('request')
  app.server.on('request', (request, response) => {
    if (!answer(request, response)) fastify?.(request, response)
  })
}

/** A path without a query, an escape or a further segment: what follows the prefix is a service's name as it is. */
function isPlain(url: string): boolean {
  return !url.includes('?') && !url.includes('%') && !url.includes('/', prefix.length)
}

function acceptsJson(accept: string | undefined): boolean {
  return accept === undefined || accept === '*/*' || accept === 'application/json'
}
