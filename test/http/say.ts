import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { text } from 'node:stream/consumers'

export type Answer = { readonly status: number; readonly detail: string | null }

/** Sends bytes on a new connection, and reads the answer. */
export async function say(url: string, bytes: string): Promise<Answer> {
  const { hostname, port } = new URL(url)
  const socket = net.connect(Number(port), hostname)
  await once(socket, 'connect')
  socket.end(bytes)
  const answer = await text(socket)
  const [, status] = /^HTTP\/1\.1 (\d+) /.exec(answer) ?? assert.fail(answer)
  const [, body = ''] = answer.split('\r\n\r\n')
  const isProblem = answer.includes('application/problem+json') && body !== ''
  return { status: Number(status), detail: isProblem ? JSON.parse(body).detail : null }
}
