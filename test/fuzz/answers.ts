import { once } from 'node:events'
import net from 'node:net'
import type { FastifyInstance } from 'fastify'
import { type Request, urlOf } from './requests.ts'
import { writeRequest } from './wild.ts'

/** What came back. */
export type Answer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** After this nothing comes any more, in milliseconds. */
const patienceMs = 10_000

/** Asks in memory. A string says why there is no answer. */
export async function ask(app: FastifyInstance, request: Request): Promise<Answer | string> {
  const { method, headers, body, from: remoteAddress } = request
  const { promise: late, resolve } = Promise.withResolvers<string>()
  const timer = setTimeout(resolve, patienceMs, `there was no answer within ${patienceMs} ms`)
  const payload = body === null ? {} : { payload: body }
  // Fastify knows fewer methods than Node.js, and its type fewer still.
  const asked = app.inject({ method: method as 'GET', url: urlOf(request), headers, remoteAddress, ...payload })
  const answer = await Promise.race([late, asked])
  clearTimeout(timer)
  if (typeof answer === 'string') return answer
  const received = Object.entries(answer.headers).map(([name, value]) => [name, String(value)])
  return { status: answer.statusCode, headers: Object.fromEntries(received), body: answer.body }
}

/** Asks over a socket, and of an answer without end reads the beginning. */
export async function askOverSocket(port: number, request: Request): Promise<Answer | string> {
  const bytes = await talk(port, writeRequest({ ...request, headers: { ...request.headers, connection: 'close' } }), request.from)
  return readAnswer(bytes, request.method) ?? 'the connection was closed without an answer'
}

/** How long a server is given to say that there is more to come, in milliseconds, before it is told that there is not. */
const quietMs = 20

/** Says these bytes from a local address, and returns all that is said until the connection is closed, or an answer without end begins. */
export async function talk(port: number, bytes: Buffer, from: string): Promise<Buffer> {
  const socket = net.connect({ port, host: '127.0.0.1', localAddress: from })
  const received: Buffer[] = []
  const closed = once(socket, 'close')
  // Whoever is hung up on while still speaking is reset.
  socket.on('error', () => undefined)
  socket.on('data', (data) => {
    received.push(data)
    if (/^content-type: text\/event-stream.*\r\n\r\n/ims.test(data.toString('latin1'))) socket.destroy()
  })
  socket.write(bytes)
  const quiet = setTimeout(() => socket.end(), quietMs)
  const patience = setTimeout(() => socket.destroy(new Error('too late')), patienceMs)
  await closed
  clearTimeout(quiet)
  clearTimeout(patience)
  return Buffer.concat(received)
}
