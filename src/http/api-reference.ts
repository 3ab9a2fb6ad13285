import swagger, { type StaticDocumentSpec } from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { boundAnswers } from './answers/bound-answers.ts'
import type { LongAnswers } from './answers/long-answers.ts'
import { answerWithProblems } from './answers/problem.ts'
import { secureAnswers } from './answers/security.ts'
import { schemaController } from './requests/schemas.ts'

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
async function redirectToPage({ url }: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
  if (url.startsWith('/docs?')) return reply.redirect('docs')
  if (url.startsWith('/docs/?')) return reply.redirect('../docs')
  if (url.startsWith('/docs/static/index.html')) return reply.redirect('../../docs')
  return undefined
}

/** Builds the server of the API reference, which shows an OpenAPI document by Swagger UI. It listens nowhere, because another server routes to it. */
export async function buildApiReference(
  document: StaticDocumentSpec['document'],
  answers: LongAnswers,
): Promise<FastifyInstance> {
  const app = fastify({ schemaController, routerOptions: { ignoreTrailingSlash: true } })
  secureAnswers(app)
  answerWithProblems(app)
  boundAnswers(app, answers)
  await app.register(swagger, { mode: 'static', specification: { document } })
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    // Relative, so that the page finds its files behind a proxy that strips a prefix from the path, even if the proxy sends no header about it.
    indexPrefix: '.',
    uiHooks: { onRequest: redirectToPage },
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
  await app.ready()
  return app
}
