import type { FastifyReply, FastifyRequest } from 'fastify'
import type { FastifyPluginAsyncZodOpenApi } from 'fastify-zod-openapi'
import { z } from 'zod'
import { problemResponse, sendProblem, tooManyAnswers } from '../http/answers/problem.ts'
import { bodyOf } from '../http/answers/streamed-body.ts'
import { beginFor } from '../http/connections/gone-client.ts'
import type { Access } from '../http/requests/access.ts'
import { sendNotRegistered } from '../http/services/not-found.ts'
import { delayRetry, pendingAnswer } from '../http/services/registry-pending.ts'
import type { History } from '../monitor/state/history.ts'
import { readAssets } from './assets.ts'
import { wantsShown } from './negotiation.ts'
import { createOverview, type OverviewParts } from './overview/overview.ts'
import { chooseEntries, overviewPage } from './overview/overview-page.ts'
import { OverviewQuery } from './overview/page-query.ts'
import { statusOfPage, titleOf } from './parts/format.ts'
import { layOut, pagePolicy } from './parts/layout.ts'
import type { View } from './parts/view.ts'
import { originOf, portOf, rootOf } from './root.ts'
import { missingPage, servicePage } from './service/service-page.ts'

type Options = OverviewParts & { readonly history: History; readonly access: Access; readonly version: string }

/** Writing a row of the page takes as long as reporting this many targets. */
const targetsPerRow = 4

const page = (description: string) => ({ description, content: { 'text/html': { schema: z.string() } } })

/** Serves `GET /`, `GET /services/{service}`, and the files that these pages load. */
export const pageRoutes: FastifyPluginAsyncZodOpenApi<Options> = async (app, options) => {
  const { monitor, registry, log, clock, history, access, slices, version } = options
  const assets = readAssets()
  const overview = createOverview(options)
  app.addHook('onClose', async () => overview.close())

  const viewOf = (request: FastifyRequest): View => ({
    root: rootOf(request.raw),
    details: access.showsDetails(request.raw),
    now: clock.now(),
    clock,
    history,
    log,
  })

  /** Sends a page. No cache may store it, because the content depends on the moment and on the client's token. `rows` counts the services. */
  function sendPage(
    request: FastifyRequest,
    reply: FastifyReply,
    rows: number,
    page: Parameters<typeof layOut>[0],
  ): FastifyReply {
    return reply
      .headers({ 'content-security-policy': pagePolicy, 'cache-control': 'no-store' })
      .type('text/html; charset=utf-8')
      .serializer((body: string) => body)
      .send(bodyOf(request, layOut(page), rows * targetsPerRow, slices))
  }

  app.get(
    '/',
    {
      schema: {
        summary: 'The status page: all services, the worst first',
        operationId: 'showServices',
        tags: ['page'],
        querystring: OverviewQuery,
        response: {
          200: page('HTML. A script in the browser keeps it up to date.'),
          400: problemResponse('The query is wrong.'),
          503: tooManyAnswers(),
        },
      },
    },
    async (request, reply) => {
      const seen = await overview.read()
      const view = viewOf(request)
      const { query } = request
      const chosen = await chooseEntries(seen, query, view.details, beginFor(request, slices))
      return sendPage(request, reply, chosen.shown.length, {
        title:
          seen.services.length === 0 && seen.pending === null
            ? 'No services'
            : titleOf(seen.counts, seen.pending !== null),
        status: statusOfPage(seen),
        main: overviewPage(seen, chosen, query, view),
        view,
        assets: assets.digest,
        version,
        events: view.details ? '' : null,
      })
    },
  )

  app.get(
    '/services/:service',
    {
      schema: {
        summary: 'The page of one service: its targets, their latency, its transitions, and snippets to copy',
        operationId: 'showService',
        tags: ['page'],
        params: z.object({ service: z.string() }),
        response: {
          200: page('HTML. A script in the browser keeps it up to date.'),
          404: {
            description: 'No such service. Clients that accept HTML get a page that says so.',
            content: { ...problemResponse('').content, ...page('').content },
          },
          503: {
            description: `${pendingAnswer} Clients that accept HTML get a page.`,
            content: { ...problemResponse('').content, ...page('').content },
          },
        },
      },
    },
    async (request, reply) => {
      const view = viewOf(request)
      const { service: name } = request.params
      const state = monitor.services.get(name)
      const about = { view, assets: assets.digest, version }
      if (state === undefined) {
        reply.header('vary', 'accept')
        if (!wantsShown(request, 'text/html')) return sendNotRegistered(reply, name, registry.load, view.details)
        const pending = registry.load.pending()
        const main = missingPage(name, view, pending)
        return sendPage(request, pending === null ? reply.code(404) : delayRetry(reply.code(503)), 1, {
          ...about,
          title: pending === null ? 'Not registered' : 'Not known yet',
          status: 'unknown',
          main: [main],
          events: null,
        })
      }
      const { status, main } = servicePage(state, view, { origin: originOf(request.raw), port: portOf(request.raw) })
      const events = view.details ? `?service=${encodeURIComponent(name)}` : null
      return sendPage(request, reply, 1, { ...about, title: `${name} ${status}`, status, main: [main], events })
    },
  )

  app.get('/page/:file', { schema: { hide: true, params: z.object({ file: z.string() }) } }, async (request, reply) => {
    const asset = assets.files.get(request.params.file)
    if (asset === undefined) return sendProblem(reply, 404, 'The status page has no file of this name.')
    const { searchParams } = new URL(request.url, 'http://porthole')
    const isFixed = searchParams.get('v') === assets.digest
    if (asset.policy !== undefined) reply.header('content-security-policy', asset.policy)
    return reply
      .header('cache-control', isFixed ? 'public, max-age=31536000, immutable' : 'no-cache')
      .type(asset.type)
      .send(asset.body)
  })
}
