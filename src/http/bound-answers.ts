import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type AnswerKind, kindOf, longFrom } from './answer-caps.ts'
import type { LongAnswers } from './long-answers.ts'

/**
 * Has every long answer of the routes that are added after it sent by `answers`, whatever the route sends: text, bytes or a stream. It comes
 * after all other hooks, so that it sees the headers as they are sent.
 */
export function boundAnswers(app: FastifyInstance, answers: LongAnswers): void {
  app.addHook('onRoute', (route) => {
    const kind = kindOf(route.url)
    const hook = (
      request: FastifyRequest,
      reply: FastifyReply,
      payload: unknown,
      done: (error: Error | null, payload?: unknown) => void,
    ) => {
      if (isSent(kind, payload)) return done(null, payload)
      // Where nothing is left to send, Fastify must not go on: the answer is over.
      const goOn = (left: unknown) => left !== null && done(null, left)
      answers.takeOver(request, reply, kind, payload).then(goOn).catch(done)
    }
    route.onSend = [...[route.onSend ?? []].flat(), hook]
  })
  app.addHook('preClose', (done) => {
    answers.close()
    done()
  })
}

/** Returns whether Fastify may send this as it is: what is short, and is not to be compressed. Most answers are. */
function isSent(kind: AnswerKind, payload: unknown): boolean {
  if (payload instanceof Readable) return false
  if (typeof payload !== 'string' && !Buffer.isBuffer(payload)) return true
  // A character has three bytes at most.
  return kind !== 'page' && payload.length * 3 < longFrom
}
