import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { fastifyZodOpenApiPlugin, fastifyZodOpenApiTransformers } from 'fastify-zod-openapi'
import { problemResponse } from './answers/problem.ts'

/** The `security` of a route that needs a token. */
export const needsToken = [{ token: [] }]

/** Returns the refusals of a route that needs a token. Each route needs its own copy, because Fastify modifies the schema it is given. */
export const tokenRefusals = () => ({
  401: problemResponse('The request needs a token, or its token is not known here; `WWW-Authenticate` says which.'),
  403: problemResponse('No token is configured.'),
  429: problemResponse('Too many wrong tokens came from this address; `Retry-After` says when to try again.'),
})

/** Documents that the routes added after this call may need a token. A route that already says so keeps its own `security`. */
export function describeDetails(app: FastifyInstance): void {
  app.addHook('onRoute', ({ schema }) => {
    // A HEAD route shares its schema with the GET route.
    if (schema === undefined || schema.security !== undefined) return
    schema.security = [{}, ...needsToken]
    schema.response = { ...tokenRefusals(), ...(schema.response as object) }
  })
}

/** The porthole of the status page, on 32 × 32 units. */
const porthole =
  '<circle cx="16" cy="16" r="13.5"/><circle cx="16" cy="16" r="7.5"/><path d="M16 2.5v3M16 26.5v3M2.5 16h3M26.5 16h3"/>'
const svg = (width: number, content: string) =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} 32" width="${width}" height="32">${content}</svg>`
/** The logo in the dark bar at the top of the API reference. An image can load no font, so the text is fitted to its place in any font. */
const logo = svg(
  154,
  `<g fill="none" stroke="#fff" stroke-width="2.5">${porthole}</g><text x="42" y="24" fill="#fff" font-family="sans-serif" font-size="24" font-weight="600" textLength="110" lengthAdjust="spacingAndGlyphs">Porthole</text>`,
)
/** The icon of the tab, in a grey that is visible on light and on dark tabs. */
const icon = svg(32, `<g fill="none" stroke="#6e7781" stroke-width="3">${porthole}</g>`)

/** Redirects to `/docs` from the URLs where the relative links of the page would break: those with a query, and `index.html`. */
async function leadToPage({ url }: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
  if (url.startsWith('/docs?')) return reply.redirect('docs')
  if (url.startsWith('/docs/?')) return reply.redirect('../docs')
  if (url.startsWith('/docs/static/index.html')) return reply.redirect('../../docs')
  return undefined
}

/** Documents every route added after this call: `GET /docs` for people, `GET /openapi.json` for machines. */
export async function addDocs(app: FastifyInstance, version: string): Promise<void> {
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
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    // Relative, so that the page finds its files behind a proxy that strips a prefix from the path, even if the proxy sends no header about it.
    indexPrefix: '.',
    uiHooks: { onRequest: leadToPage },
    // Requests that are tried out go to the server of the page, and so behind the same prefix.
    transformSpecification: (document) => ({ ...document, servers: [{ url: '..' }] }),
    transformSpecificationClone: false,
    logo: { type: 'image/svg+xml', content: logo },
    theme: {
      title: 'Porthole API',
      favicon: [{ filename: 'porthole.svg', rel: 'icon', sizes: 'any', type: 'image/svg+xml', content: icon }],
    },
    staticCSP: true,
    // The plugin's policy upgrades requests to https. That would leave the page blank where Porthole is served over plain http. It also lets
    // images come from the framework's validator, which is switched off here.
    transformStaticCSP: (policy) =>
      policy.replace(/\s*upgrade-insecure-requests;?/, '').replace(' validator.swagger.io', ''),
  })
  let document: Buffer | null = null
  app.get('/openapi.json', { schema: { hide: true } }, async (_request, reply) => {
    // The routes never change, so all clients share the bytes.
    document ??= Buffer.from(JSON.stringify(app.swagger()))
    return reply.type('application/json; charset=utf-8').send(document)
  })
}
