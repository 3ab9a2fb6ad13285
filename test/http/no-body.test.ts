import assert from 'node:assert/strict'
import net from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { build, listen } from '../app.ts'
import { sampleService } from '../samples.ts'

test('a body that comes with GET or HEAD is ignored, and the connection is closed after the answer', async (t) => {
  const { target } = await listen(t)
  const built = await build(t, [sampleService('pg', [target])])
  await built.sweep()
  const url = await built.listen()
  const { port } = new URL(url)
  const smuggled = 'GET /livez HTTP/1.1\r\nhost: b\r\n\r\n'
  const framings = [
    [`content-length: ${smuggled.length}`, smuggled],
    ['transfer-encoding: chunked', `${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`],
  ]
  for (const path of ['/health/pg', '/health', '/v1/services/pg', '/metrics', '/nowhere']) {
    for (const method of ['GET', 'HEAD']) {
      for (const [framing, body] of framings) {
        const socket = net.connect(Number(port), '127.0.0.1')
        socket.write(`${method} ${path} HTTP/1.1\r\nhost: a\r\n${framing}\r\n\r\n${body}`)
        const answers = await text(socket)
        const what = `${method} ${path} ${framing}: ${answers}`
        assert.equal(answers.match(/^HTTP\/1\.1 /gm)?.length, 1, what)
        assert.match(answers, /^HTTP\/1\.1 (200|404) /, what)
        assert.match(answers, /\r\nconnection: close\r\n/i, what)
      }
    }
  }
})
