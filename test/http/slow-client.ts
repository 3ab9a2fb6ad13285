/** Clients that read their answers as slowly as a test wants. */
import { once } from 'node:events'
import net from 'node:net'
import type { Scope } from '../support/process.ts'

/** Sends bytes to a server at `http://127.0.0.1:port`, and reads nothing. The connection closes after the test. */
export async function sendAndTakeNothing(t: Scope, url: string, bytes: string): Promise<net.Socket> {
  const socket = net.connect(Number(new URL(url).port), '127.0.0.1').on('error', () => undefined)
  t.after(() => void socket.destroy())
  await once(socket, 'connect')
  socket.pause().write(bytes)
  return socket
}

export const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`

/** Sends bytes. Returns all bytes of the answers until the server closes. Bytes that are not sent by that time are dropped. */
export async function sendAndReadAll(t: Scope, url: string, bytes: string | Buffer): Promise<string> {
  const socket = net.connect(Number(new URL(url).port), '127.0.0.1').on('error', () => undefined)
  t.after(() => void socket.destroy())
  let answer = ''
  socket.on('data', (chunk) => {
    answer += chunk.toString('latin1')
  })
  socket.write(bytes)
  await once(socket, 'close')
  return answer
}
