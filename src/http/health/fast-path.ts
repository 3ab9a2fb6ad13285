import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'
import type { Metrics } from '../../metrics/metrics.ts'
import type { Monitor } from '../../monitor/monitor.ts'
import type { Clock } from '../../runtime/clock.ts'
import { longFrom } from '../answers/answer-caps.ts'
import { securityHeaders } from '../answers/security.ts'
import { intercept } from '../connections/intercept.ts'
import type { Access } from '../requests/access.ts'
import type { Hosts } from '../requests/hosts.ts'
import { healthHeaders, statusCodeOf } from './health-answer.ts'
import type { CachedReport, RenderService } from './report-cache.ts'

type Parts = {
  monitor: Monitor
  access: Access
  metrics: Metrics
  clock: Clock
  render: RenderService
  hosts: Pick<Hosts, 'passes'>
}

const prefix = '/health/'

/**
 * Adds the fast path: answers a plain `GET /health/{service}` from the cached report, before Fastify sees the request. Load
 * balancers and kubelets send it all day, and Fastify's routing, validation and hooks are most of its cost. All other requests
 * go on to the route of the same path, which answers with the same bytes.
 */
export function openFastPath(app: FastifyInstance, { monitor, access, metrics, clock, render, hosts }: Parts): void {
  const headersOfReport = new WeakMap<CachedReport, { readonly second: number; readonly headers: string[] }>()
  let closing = false
  app.addHook('preClose', (done) => {
    closing = true
    done()
  })

  function answer(request: IncomingMessage, response: ServerResponse): boolean {
    const { url = '', method } = request
    if (closing || method !== 'GET' || !url.startsWith(prefix) || !isPlain(url) || !isPlainRequest(request, hosts))
      return false
    const startedAt = clock.now()
    const state = monitor.services.get(url.slice(prefix.length))
    if (state === undefined || state.service.policy.intervalMs === null) return false
    const rendered = render(state, access.showsDetails(request))
    if (rendered.bytes >= longFrom) return false
    const statusCode = statusCodeOf(rendered.report.status)
    response.writeHead(statusCode, headersOf(rendered, startedAt))
    response.end(rendered.json)
    metrics.observeRequest('GET', '/health/:service', statusCode, clock.now() - startedAt)
    app.log.debug({ method, url, statusCode }, 'request answered')
    return true
  }

  /** Returns the headers of a report. Builds them once a second, because only the age changes while a report stays the same. */
  function headersOf(rendered: CachedReport, now: number): string[] {
    const second = Math.floor((now - (rendered.checkedAt ?? 0)) / 1000)
    const known = headersOfReport.get(rendered)
    if (known?.second === second) return known.headers
    const { checkedAt, details, bytes } = rendered
    const named = {
      ...securityHeaders,
      ...healthHeaders('application/json', checkedAt, now, details),
      'content-length': bytes,
    }
    const headers = Object.entries(named).flatMap(([name, value]) => [name, String(value)])
    headersOfReport.set(rendered, { second, headers })
    return headers
  }

  intercept(app.server, (request, response, handle) => {
    if (!answer(request, response)) handle(request, response)
  })
}

/** Returns whether a path has no query, no escape and no further segment. Then the rest after the prefix is a service's name. */
function isPlain(url: string): boolean {
  return !url.includes('?') && !url.includes('%') && !url.includes('/', prefix.length)
}

/** Returns whether the headers of a request allow the fast path. Reads the raw headers, because parsing them would cost as much as all the rest. */
function isPlainRequest({ rawHeaders, httpVersionMajor }: IncomingMessage, hosts: Pick<Hosts, 'passes'>): boolean {
  if (httpVersionMajor !== 1) return false
  let host: string | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]?.toLowerCase()
    if (name === 'cache-control' || name === 'authorization') return false
    // The request has a body. The route closes the connection after it.
    if (name === 'content-length' || name === 'transfer-encoding') return false
    if (name === 'accept' && rawHeaders[i + 1] !== '*/*' && rawHeaders[i + 1] !== 'application/json') return false
    if (name !== 'host') continue
    // Several Host headers. The route says why that is wrong.
    if (host !== undefined) return false
    host = rawHeaders[i + 1] as string
  }
  return host !== undefined && hosts.passes(host)
}
