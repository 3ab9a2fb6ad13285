import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type AnswerKind, kindOf, longFrom } from './answer-caps.ts'
import type { LongAnswers } from './long-answers.ts'

/**
 * Makes `answers` send every long answer of the routes that are added after this call: text, bytes or a stream. The hook runs after all
 * others, so that it sees the final headers.
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
      // Fastify must not go on when nothing is left to send, because the answer is over.
      const sendOn = (left: unknown) => left !== null && done(null, left)
      answers.takeOver(request, reply, kind, payload).then(sendOn).catch(done)
    }
    route.onSend = [...[route.onSend ?? []].flat(), hook]
  })
  app.addHook('preClose', (done) => {
    answers.close()
    done()
  })
}

/** Returns whether Fastify may send an answer as it is, because it is short and is not compressed. Most answers are. */
function isSent(kind: AnswerKind, payload: unknown): boolean {
  if (payload instanceof Readable) return false
  if (typeof payload !== 'string' && !Buffer.isBuffer(payload)) return true
  // A character has three bytes at most.
  return kind !== 'page' && payload.length * 3 < longFrom
}
