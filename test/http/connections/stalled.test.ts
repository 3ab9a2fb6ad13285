import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { closeStalled } from '../../../src/http/connections/stalled.ts'
import { listenOn } from '../../support/listening.ts'
import { get, sendAndTakeNothing } from '../slow-client.ts'

test('a connection whose client reads nothing of a waiting answer is closed', async (t) => {
  const server = createServer((_request, response) => void response.end(Buffer.alloc(16 * 1024 * 1024)))
  closeStalled(server, 200)
  const url = await listenOn(t, server)
  const connected = once(server, 'connection') as Promise<[Socket]>
  await sendAndTakeNothing(t, url, get('/'))
  const [socket] = await connected
  await once(socket, 'close')
})

test('a client that waits for Porthole is never cut off', async (t) => {
  const server = createServer()
  const asked = once(server, 'request') as Promise<[unknown, ServerResponse]>
  closeStalled(server, 50)
  const url = await listenOn(t, server)
  const answer = fetch(url)
  const [, response] = await asked
  await once(response, 'timeout')
  response.end('late')
  assert.equal(await (await answer).text(), 'late')
})
