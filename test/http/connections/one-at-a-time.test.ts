import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { answerOneAtATime } from '../../../src/http/connections/one-at-a-time.ts'
import { listenOn } from '../../support/listening.ts'
import { until } from '../../support/process.ts'
import { get, sendAndReadAll, sendAndTakeNothing } from '../slow-client.ts'

test('of pipelined requests only the first is handled while the client reads no answer', async (t) => {
  let handled = 0
  const server = createServer((_request, response) => {
    handled++
    response.end(Buffer.alloc(16 * 1024 * 1024))
  })
  answerOneAtATime(server)
  const url = await listenOn(t, server)
  const stuck = await sendAndTakeNothing(t, url, get('/').repeat(1000))
  await until('the first is handled', async () => handled === 1)
  // The request of another client is read after those of the first.
  await (await fetch(url)).bytes()
  assert.equal(handled, 2)
  stuck.destroy()
  await (await fetch(url)).bytes()
  assert.equal(handled, 3)
})

test('pipelined requests are answered in order, each once', async (t) => {
  const server = createServer((request, response) => {
    const answer = () => void response.end(`answer to ${request.url}\n`)
    // The first request takes longest.
    if (request.url === '/0') setTimeout(answer, 50)
    else answer()
  })
  answerOneAtATime(server)
  const url = await listenOn(t, server)
  const last = 'GET /20 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
  const requests = Array.from({ length: 20 }, (_, i) => get(`/${i}`)).join('')
  const answers = await sendAndReadAll(t, url, `${requests}${last}`)
  assert.deepEqual(
    answers.match(/answer to \S+/g),
    Array.from({ length: 21 }, (_, i) => `answer to /${i}`),
  )
})
