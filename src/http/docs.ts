import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { fastifyZodOpenApiPlugin, fastifyZodOpenApiTransformers } from 'fastify-zod-openapi'

/** Describes every route added after it: `GET /docs` for people, `GET /openapi.json` for machines. */
export async function addDocs(app: FastifyInstance, version: string): Promise<void> {
  await app.register(fastifyZodOpenApiPlugin)
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Porthole',
        version,
        description:
          'TCP services, checkable over HTTP: status codes for probes, reports for people, gauges for Prometheus.',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      tags: [
        { name: 'health', description: 'What is known of services.' },
        { name: 'services', description: 'Which services there are, and checks on demand.' },
        { name: 'transitions', description: 'What happened, and how long services were up.' },
        { name: 'events', description: 'What happens, as it happens.' },
        { name: 'discovery', description: 'The services, for other programs.' },
        { name: 'porthole', description: 'Porthole itself.' },
      ],
    },
    ...fastifyZodOpenApiTransformers,
  })
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: true,
    // Its own policy upgrades to https, which leaves the page blank where Porthole is served over plain http.
    transformStaticCSP: (policy) => policy.replace(/\s*upgrade-insecure-requests;?/, ''),
  })
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
}
