import net from 'node:net'
import type { FastifyInstance } from 'fastify'
import { type Request, urlOf, writeRequest } from './requests.ts'

/** The answer to a request. */
export type Answer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
}

/** How long a request waits for its answer, in milliseconds. */
const patienceMs = 10_000

/** Sends a request in memory. Returns a string that says why if there is no answer. */
export async function ask(app: FastifyInstance, request: Request): Promise<Answer | string> {
  const { method, headers, body, from: remoteAddress } = request
  const { promise: late, resolve } = Promise.withResolvers<string>()
  const timer = setTimeout(resolve, patienceMs, `there was no answer within ${patienceMs} ms`)
  const payload = body === null ? {} : { payload: body }
  // The type of Fastify's `inject` lacks some methods that Node.js accepts.
  const asked = app.inject({ method: method as 'GET', url: urlOf(request), headers, remoteAddress, ...payload })
  const answer = await Promise.race([late, asked])
  clearTimeout(timer)
  if (typeof answer === 'string') return answer
  const received = Object.entries(answer.headers).map(([name, value]) => [name, String(value)])
  return { status: answer.statusCode, headers: Object.fromEntries(received), body: answer.body }
}

/** Sends a request over a socket. Reads only the beginning of an endless answer. Returns a string that says why if there is no answer. */
export async function askOverSocket(port: number, request: Request): Promise<Answer | string> {
  const asked = { ...request, headers: { ...request.headers, connection: 'close' } }
  const bytes = await talk(port, writeRequest(asked), request.from)
  return typeof bytes === 'string' ? bytes : (readAnswer(bytes) ?? 'the connection was closed without an answer')
}

/**
 * Sends bytes from a local address. Returns all bytes received until the connection is closed or an endless answer begins. With
 * `quietMs`, ends the sending side after that time. Returns a string that says so if the connection stays open.
 */
export async function talk(port: number, bytes: Buffer, from: string, quietMs?: number): Promise<Buffer | string> {
  const socket = net.connect({ port, host: '127.0.0.1', localAddress: from })
  const received: Buffer[] = []
  let late = false
  const closed = new Promise((resolve) => socket.once('close', resolve))
  // A server that closes the connection before it has read all bytes sends a reset.
  socket.on('error', () => undefined)
  socket.on('data', (data) => {
    received.push(data)
    if (/^content-type: text\/event-stream.*\r\n\r\n/ims.test(data.toString('latin1'))) socket.destroy()
  })
  socket.write(bytes)
  const quiet = quietMs === undefined ? undefined : setTimeout(() => socket.end(), quietMs)
  const patience = setTimeout(() => {
    late = true
    socket.destroy()
  }, patienceMs)
  await closed
  clearTimeout(quiet)
  clearTimeout(patience)
  return late ? `the connection was still open after ${patienceMs} ms` : Buffer.concat(received)
}

/** Reads the first answer that is not informational, such as `100 Continue`; null where there is none. Throws if the bytes are not HTTP. */
export function readAnswer(bytes: Buffer): Answer | null {
  if (bytes.length === 0) return null
  const end = bytes.indexOf('\r\n\r\n')
  const [line = '', ...fields] = bytes.subarray(0, end).toString('latin1').split('\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(line)?.[1])
  if (end < 0 || Number.isNaN(status)) throw new Error(`this is no HTTP answer: ${bytes.toString('latin1', 0, 200)}`)
  const rest = bytes.subarray(end + 4)
  if (status < 200) return readAnswer(rest)
  const headers = Object.fromEntries(
    fields.map((field) => {
      const [, name = '', value = ''] = /^([^:]+): *(.*)$/.exec(field) ?? []
      return [name.toLowerCase(), value]
    }),
  )
  const length = headers['content-length'] === undefined ? rest.length : Number(headers['content-length'])
  const body = /chunked/i.test(headers['transfer-encoding'] ?? '') ? joinChunks(rest) : rest.subarray(0, length)
  return { status, headers, body: body.toString() }
}

function joinChunks(bytes: Buffer): Buffer {
  const end = bytes.indexOf('\r\n')
  const size = Number.parseInt(bytes.toString('latin1', 0, end), 16)
  if (end < 0 || !(size > 0)) return Buffer.alloc(0)
  const start = end + 2
  return Buffer.concat([bytes.subarray(start, start + size), joinChunks(bytes.subarray(start + size + 2))])
}
