import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { readView } from '../../../src/cli/commands/status.ts'

/** Starts a server that answers like this, and returns its URL and the requests that it gets. */
async function serve(t: TestContext, answer: (response: ServerResponse) => void) {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    answer(response)
  }).listen(0, '127.0.0.1')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  return { url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/below/`), requests }
}

const text = { 'content-type': 'text/plain; charset=utf-8' }

test('it asks for the text view below the path of the URL, with the token as a bearer token', async (t) => {
  const { url, requests } = await serve(t, (response) => response.writeHead(503, text).end('down: 1 down\ndown  db\n'))
  assert.deepEqual(await readView({ url, token: 'secret' }), { ok: true, lines: ['down: 1 down', 'down  db'] })
  assert.deepEqual((await readView({ url, token: null })).ok, true)
  assert.deepEqual(
    requests.map(({ url, headers: { accept, authorization } }) => [url, accept, authorization]),
    [
      ['/below/health?verbose', 'text/plain', 'Bearer secret'],
      ['/below/health?verbose', 'text/plain', undefined],
    ],
  )
})

test('control characters of the answer are escaped', async (t) => {
  const { url } = await serve(t, (response) => response.writeHead(200, text).end('up\x1b[2J\r\ndb\u202e\n'))
  assert.deepEqual(await readView({ url, token: null }), { ok: true, lines: ['up\\u001b[2J\\u000d', 'db\\u202e'] })
})

test('a redirect is named and not followed, so the token reaches no other host', async (t) => {
  const other = await serve(t, (response) => response.end())
  const { url } = await serve(t, (response) => response.writeHead(302, { location: other.url.href }).end())
  assert.deepEqual(await readView({ url, token: 'secret' }), {
    ok: false,
    why: `${url.href} redirects to ${other.url.href}: name that URL, if you trust it`,
  })
  assert.deepEqual(other.requests, [])
})

test('other answers and failures are one sentence', async (t) => {
  const problem = { 'content-type': 'application/problem+json' }
  const denied = await serve(t, (response) =>
    response.writeHead(401, problem).end('{"detail":"this token is\\u001b wrong"}'),
  )
  const page = await serve(t, (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'))
  const cut = await serve(t, (response) => response.writeHead(200, text).write('up', () => response.destroy()))
  for (const [{ url }, why] of [
    [denied, `answers 401: this token is\\u001b wrong`],
    [page, 'answers 200, and not as a Porthole does: is this its URL?'],
    [cut, 'cannot be reached: aborted'],
    [{ url: new URL('http://127.0.0.1:1/') }, 'cannot be reached: nothing listens there (ECONNREFUSED)'],
  ] as const)
    assert.deepEqual(await readView({ url, token: null }), { ok: false, why: `${url.href} ${why}` })
})
