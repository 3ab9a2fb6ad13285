import type { FastifyInstance, RouteOptions } from 'fastify'
import { hideBody } from './no-body.ts'

/** The routes that load balancers and kubelets probe. */
const probePaths = new Set(['/health', '/health/:service', '/livez', '/readyz'])

/**
 * Answers OPTIONS like GET on the routes for probes, because HAProxy's `option httpchk` sends OPTIONS by default. A 200 that
 * only lists methods (RFC 9110 §9.3.7) would report a service as up that is down. Call it before the routes are added.
 */
export function answerOptions(app: FastifyInstance): void {
  app.addHook('onRoute', function (this: FastifyInstance, route: RouteOptions) {
    if (route.method !== 'GET' || !probePaths.has(route.url)) return
    this.route({
      ...route,
      method: 'OPTIONS',
      schema: { ...route.schema, hide: true },
      onRequest: async (request, reply) => {
        hideBody(request.raw)
        reply.header('allow', 'GET, HEAD, OPTIONS')
      },
    })
  })
}
