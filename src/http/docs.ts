import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { fastifyZodOpenApiPlugin, fastifyZodOpenApiTransformers } from 'fastify-zod-openapi'
import { problemResponse } from './problem.ts'

/** The `security` of a route that needs a token. */
export const needsToken = [{ token: [] }]

/** What such a route answers in the place of its own answers. Anew for each route: Fastify writes into what it is given. */
export const tokenRefusals = () => ({
  401: problemResponse('A token is needed, or the one that was sent is not known here; `WWW-Authenticate` says which.'),
  403: problemResponse('No token is configured.'),
  429: problemResponse('Too many wrong tokens came from this address; `Retry-After` says when to try again.'),
})

/** Says of the routes that are added after it that they may need a token, unless they say so themselves. */
export function describeDetails(app: FastifyInstance): void {
  app.addHook('onRoute', ({ schema }) => {
    // A HEAD route shares its schema with the GET route.
    if (schema === undefined || schema.security !== undefined) return
    schema.security = [{}, ...needsToken]
    schema.response = { ...tokenRefusals(), ...(schema.response as object) }
  })
}

/** Leads to the page from where its relative URLs would lead astray: a query, and the name of the file that it is elsewhere. */
async function leadToPage({ url }: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
  if (url.startsWith('/docs?')) return reply.redirect('docs')
  if (url.startsWith('/docs/?')) return reply.redirect('../docs')
  if (url.startsWith('/docs/static/index.html')) return reply.redirect('../../docs')
  return undefined
}

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
          'TCP services, checkable over HTTP: status codes for probes, reports for people, gauges for Prometheus. A request with several Host headers, or with one that is no host, is 400. With `listen.hosts`, a request that names another host is 421.',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      tags: [
        { name: 'health', description: 'What is known of services.' },
        { name: 'services', description: 'Which services there are, and checks on demand.' },
        { name: 'transitions', description: 'What happened, and how long services were up.' },
        { name: 'events', description: 'What happens, as it happens.' },
        { name: 'discovery', description: 'The services, for other programs.' },
        { name: 'page', description: 'What is known of services, for people.' },
        { name: 'porthole', description: 'Porthole itself.' },
      ],
      components: {
        securitySchemes: {
          token: {
            type: 'http',
            scheme: 'bearer',
            description: 'Changes need a token. With `details: token`, so does all that shows targets and addresses.',
          },
        },
      },
    },
    ...fastifyZodOpenApiTransformers,
  })
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    // Relative, so that the page finds what it is made of behind a proxy that takes a prefix off the path, whether or not the proxy tells of it.
    indexPrefix: '.',
    uiHooks: { onRequest: leadToPage },
    // Requests are tried out where the page is, and so behind the same prefix.
    transformSpecification: (document) => ({ ...document, servers: [{ url: '..' }] }),
    transformSpecificationClone: false,
    staticCSP: true,
    // Its own policy upgrades to https, which leaves the page blank where Porthole is served over plain http.
    transformStaticCSP: (policy) => policy.replace(/\s*upgrade-insecure-requests;?/, ''),
  })
  let document: Buffer | null = null
  app.get('/openapi.json', { schema: { hide: true } }, async (_request, reply) => {
    // The routes never change: all readers share the bytes.
    document ??= Buffer.from(JSON.stringify(app.swagger()))
    return reply.type('application/json; charset=utf-8').send(document)
  })
}
