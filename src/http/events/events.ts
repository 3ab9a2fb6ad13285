import type { OutgoingHttpHeaders } from 'node:http'
import type { FastifyReply } from 'fastify'
import type { FastifyPluginAsyncZodOpenApi } from 'fastify-zod-openapi'
import { z } from 'zod'
import { problemResponse, sendProblem } from '../answers/problem.ts'
import { once } from '../health/freshness.ts'
import { unknownParameters } from '../health/health-query.ts'
import { oneOrMany } from '../services/repeated.ts'
import { createEventStreams, type EventStreamParts, type EventStreams } from './streams.ts'

const EventsQuery = z.strictObject(
  {
    service: oneOrMany('service').optional().meta({
      description: 'Only this service; several are allowed. It need not be registered yet.',
    }),
    group: oneOrMany('group').optional().meta({
      description: 'Only services of this group; several are allowed. With `service`, both must hold.',
    }),
    lastEventId: once(z.string()).optional().meta({
      description: 'For clients that cannot set headers. The header `Last-Event-ID` takes precedence.',
    }),
  },
  { error: (issue) => unknownParameters(issue, 'service, group, lastEventId') },
)

const eventHeaders = z.looseObject({
  'last-event-id': z.string().optional().meta({
    description:
      'The id of the last event that the client received. The stream goes on after it. Browsers send it by themselves.',
  }),
})

const description = `Server-sent events (WHATWG HTML §9.2), for \`EventSource\` and \`curl -N\`. The stream has no end.

- \`transition\`: a change of status, with an \`id\`. Its data is the same as in \`/v1/transitions\`:
  \`{ id, at, service, target, from, to, reason, message }\`.
- \`registry\`: a change of the registry, \`{ put: [names], removed: [names] }\`. \`put\` names services that are new, changed, drained or no longer drained; \`removed\` names
  services that are gone. The event has no id and is not replayed, so read \`/v1/services\` again after a lost connection. As long as that list has \`warnings\`, services may be
  missing. They arrive as \`put\` when the registry is read. With \`group\`, a service that leaves the group is sent once more, as \`put\`.
- \`reset\`: some transitions are missing, because \`Last-Event-ID\` is too old or unknown. The event replaces the replay. Read \`/v1/services\` again, and go on
  from here.

After a lost connection, missed transitions are replayed, none missing and none twice. With \`group\`, the replay uses the present groups of services.
The stream starts with an \`id\`, and sometimes sends one alone, so that a client that waits long for an event also resumes at the right place.
A comment line (\`:\`) every 15 s shows that the stream is alive. A reader that is much too slow is disconnected, and can resume from its last id.`

/** The path of the event stream. */
export const eventsRoute = '/v1/events'

type Options = EventStreamParts & {
  /** The streams that the route adds to. The route creates its own where none are given. */
  readonly streams?: EventStreams
}

/** Adds `GET /v1/events`, a stream of changes as they happen. */
export const eventRoutes: FastifyPluginAsyncZodOpenApi<Options> = async (app, options) => {
  const streams = options.streams ?? createEventStreams(options)
  // Ends streams before the server waits for its connections to end.
  app.addHook('preClose', async () => streams.endAll())
  app.addHook('onClose', async () => streams.close())

  app.get(
    eventsRoute,
    {
      schema: {
        summary: 'Streams changes as they happen',
        description,
        operationId: 'streamEvents',
        tags: ['events'],
        querystring: EventsQuery,
        headers: eventHeaders,
        response: {
          200: {
            description: 'A stream of events, as `text/event-stream`.',
            content: {
              'text/event-stream': {
                schema: z.string().meta({
                  examples: [
                    'event: transition\nid: 1795359600000001\ndata: {"id":"1795359600000001","at":"2026-11-22T15:00:00.000Z","service":"postgres","target":"db-1:5432","from":"up","to":"down","reason":"refused","message":"refused in 0.21 ms: the host answers, but nothing listens"}\n\n',
                  ],
                }),
              },
            },
          },
          400: problemResponse('The query is wrong; every problem is listed.'),
          503: problemResponse(
            'Too many streams are open, or Porthole is about to stop; `Retry-After` says when to try again.',
          ),
        },
      },
    },
    async (request, reply) => {
      const refusal = streams.refusal()
      if (refusal !== null) return sendProblem(reply.header('retry-after', '5'), 503, refusal)
      const { service, group, lastEventId } = request.query
      writeHead(reply)
      // A browser reconnects to the same URL, so the header is newer than the query. A reader without an id may send an empty one.
      const resumeAfter = request.headers['last-event-id'] || lastEventId || undefined
      if (request.method === 'HEAD') reply.raw.end()
      else streams.open(reply.raw, { service, group }, resumeAfter)
      return reply
    },
  )
}

/** Writes the headers of a stream, past Fastify, because the pace of the reader decides when bytes are written. */
function writeHead(reply: FastifyReply): void {
  reply.hijack()
  reply.raw.writeHead(200, {
    ...(reply.getHeaders() as OutgoingHttpHeaders),
    'content-type': 'text/event-stream',
    // Otherwise a proxy may compress the stream, and would buffer it for that (RFC 9111 §5.2.2.6).
    'cache-control': 'no-store, no-transform',
    // Otherwise nginx would buffer the stream before it passes it on.
    'x-accel-buffering': 'no',
    // The connection ends with its stream. Otherwise an idle connection would delay the close of the server.
    connection: 'close',
  })
}
