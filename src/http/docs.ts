import { readFileSync } from 'node:fs'
import type { StaticDocumentSpec } from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import type { LongAnswers } from './answers/long-answers.ts'
import { problemResponse } from './answers/problem.ts'

/** The OpenAPI document. `npm run openapi` writes it, because building it would take a tenth of a start. */
const documentFile = new URL('../../openapi/openapi.json', import.meta.url)

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

/** Adds `GET /docs`, the API reference for people, and `GET /openapi.json` for machines. */
export function addDocs(app: FastifyInstance, answers: LongAnswers): void {
  let document: Buffer | null = null
  app.get('/openapi.json', { schema: { hide: true } }, async (_request, reply) => {
    // The routes never change, so all clients share the bytes.
    document ??= Buffer.from(JSON.stringify(readDocument()))
    return reply.type('application/json; charset=utf-8').send(document)
  })
  let reference: Promise<FastifyInstance> | null = null
  for (const url of ['/docs', '/docs/*']) {
    app.get(url, { schema: { hide: true } }, async ({ raw }, reply) => {
      // Load Swagger UI only here, because it takes a fifth of a start and most Portholes never show it.
      reference ??= import('./api-reference.ts').then(({ buildApiReference }) =>
        buildApiReference(readDocument(), answers),
      )
      const { routing } = await reference
      routing(raw, reply.hijack().raw)
    })
  }
}

function readDocument(): StaticDocumentSpec['document'] {
  return JSON.parse(readFileSync(documentFile, 'utf8'))
}
