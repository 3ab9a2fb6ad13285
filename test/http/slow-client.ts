/** Clients that take what they are sent as slowly as a test wants. */
import { once } from 'node:events'
import net from 'node:net'
import type { Scope } from '../process.ts'

/** Sends bytes to a server at `http://127.0.0.1:port`, and takes nothing of what comes. Gone after the test. */
export async function sendAndTakeNothing(t: Scope, url: string, bytes: string): Promise<net.Socket> {
  const socket = net.connect(Number(new URL(url).port), '127.0.0.1').on('error', () => undefined)
  t.after(() => void socket.destroy())
  await once(socket, 'connect')
  socket.pause().write(bytes)
  return socket
}

export const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`

/** Sends bytes, and returns all that is answered until the server closes. What still has to be sent is passed over then. */
export async function sendAndReadAll(t: Scope, url: string, bytes: string | Buffer): Promise<string> {
  const socket = net.connect(Number(new URL(url).port), '127.0.0.1').on('error', () => undefined)
  t.after(() => void socket.destroy())
  let answer = ''
  socket.on('data', (piece) => {
    answer += piece.toString('latin1')
  })
  socket.write(bytes)
  await once(socket, 'close')
  return answer
}
