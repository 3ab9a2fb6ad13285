import { isUtf8 } from 'node:buffer'
import { setImmediate } from 'node:timers/promises'
import { MIMEType } from 'node:util'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { notJson, type Problem, refusal, sendProblem, tooLarge } from '../answers/problem.ts'
import { findRepeatedKeys } from './json-keys.ts'
import { announcesBody, awaitBody } from './no-body.ts'

const notUtf8 = 'The body is not UTF-8, as JSON has to be (RFC 8259 §8.1).'

/** Makes Fastify read bodies of JSON. Refuses all other bodies by their headers, before any of them is read. */
export function readJsonBodies(app: FastifyInstance): void {
  app.addHook('preParsing', refuseByHeaders)
  // Otherwise Fastify would accept plain text as well.
  app.removeAllContentTypeParsers()
  const parse = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, async (request: FastifyRequest, body: Buffer) => {
    if (!isUtf8(body)) throw refusal(400, notUtf8)
    const text = body.toString()
    const value = await new Promise((resolve, reject) => {
      void parse(request, text, (error, parsed) => (error ? reject(error) : resolve(parsed)))
    })
    await refuseRepeatedKeys(text)
    return value
  })
}

async function refuseByHeaders(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
  const { headers, method } = request
  if (method === 'GET' || method === 'HEAD' || !announcesBody(headers)) return undefined
  const encoding = headers['content-encoding']?.trim().toLowerCase() ?? 'identity'
  if (encoding !== 'identity') {
    // The header tells the client that the coding is the problem, and not the type (RFC 9110 §15.5.16).
    reply.header('accept-encoding', 'identity')
    return sendProblem(reply, 415, `A body with Content-Encoding: ${encoding} is not read: send it as it is.`)
  }
  const type = parseType(headers['content-type'])
  if (type?.essence !== 'application/json') return sendProblem(reply, 415, notJson)
  const charset = type.params.get('charset') ?? 'utf-8'
  if (!/^utf-?8$/i.test(charset))
    return sendProblem(reply, 415, `A body with charset=${charset} is not read: JSON is UTF-8 (RFC 8259 §8.1).`)
  if (Number(headers['content-length']) > request.routeOptions.bodyLimit) return sendProblem(reply, 413, tooLarge)
  awaitBody(request.raw, reply.raw)
  return undefined
}

function parseType(type: string | undefined): MIMEType | null {
  try {
    return new MIMEType(type ?? '')
  } catch {
    return null
  }
}

/** Throws a refusal for keys that an object has twice, because only one of them would count and the client could not know which. */
async function refuseRepeatedKeys(text: string): Promise<void> {
  const search = findRepeatedKeys(text)
  let turn = search.next()
  for (; !turn.done; turn = search.next()) await setImmediate()
  const errors = turn.value.map(({ pointer }): NonNullable<Problem['errors']>[number] => ({
    in: 'body',
    pointer,
    detail: `${pointer} is written twice: keep one of them`,
  }))
  if (errors.length > 0) throw refusal(400, errors.map(({ detail }) => detail).join('; '), errors)
}
