import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { lingering } from '../../../src/http/connections/lingering.ts'
import { build, listen } from '../../support/app.ts'
import { sampleService } from '../../support/samples.ts'
import { sendAndReadAll } from '../slow-client.ts'

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

const secret = 'a-secret-that-is-long-enough'
const tokens = [{ name: 'tests', sha256: createHash('sha256').update(secret).digest('hex') }]
const authorization = `Authorization: Bearer ${secret}`
const json = 'Content-Type: application/json'
const service = '/v1/services/x'
const endless = 'Content-Length: 10000000000'
const chunked = 'Transfer-Encoding: chunked'

/** Requests with bodies that are not read, and the status of each answer. */
const unread: [status: number, requestLine: string, ...headers: string[]][] = [
  [404, 'PUT /nowhere HTTP/1.1', json, endless],
  [404, 'PUT /nowhere HTTP/1.0', json, endless],
  [404, 'POST /nowhere HTTP/1.1', json, chunked],
  [401, `PUT ${service} HTTP/1.1`, json, endless],
  [401, `PUT ${service}/drain HTTP/1.1`, chunked],
  [405, 'POST /health HTTP/1.1', json, endless],
  [413, `PUT ${service} HTTP/1.1`, authorization, json, endless],
  [415, `PUT ${service} HTTP/1.1`, authorization, 'Content-Type: text/xml', endless],
  [415, `PUT ${service} HTTP/1.1`, authorization, endless],
  [415, `PUT ${service} HTTP/1.1`, authorization, json, 'Content-Encoding: gzip', chunked],
  [400, 'PUT /%zz HTTP/1.1', json, endless],
  [200, 'GET /livez HTTP/1.1', endless],
  [200, 'OPTIONS /livez HTTP/1.1', chunked],
]

/** Sends a request on a new connection, and sends on until the server closes it. */
async function sendWithoutEnd(t: TestContext, url: string, head: string) {
  const socket = net.connect(Number(new URL(url).port), '127.0.0.1').on('error', () => undefined)
  t.after(() => void socket.destroy())
  let answer = ''
  let isEnded = false
  socket.on('data', (chunk) => {
    answer += chunk.toString('latin1')
  })
  socket.once('end', () => {
    isEnded = true
  })
  socket.write(head)
  const chunk = Buffer.from(`10000\r\n${'x'.repeat(0x10000)}\r\n`)
  const send = () => void (socket.destroyed || socket.write(chunk, () => setImmediate(send)))
  send()
  await once(socket, 'close')
  return { answer, isEnded }
}

for (const [status, requestLine, ...headers] of unread) {
  const what = [requestLine, ...headers.map((header) => header.replace(secret, 'TOKEN'))].join(', ')

  test(`${what}: the answer is ${status}, then the connection is closed, even if the client sends on`, async (t) => {
    const { app, listen } = await build(t, [], { access: { tokens } })
    const connected = once(app.server, 'connection') as Promise<[net.Socket]>
    const url = await listen()
    const head = [requestLine, 'Host: x', ...headers, '', ''].join('\r\n')
    const sending = sendWithoutEnd(t, url, head)
    const [serverSide] = await connected
    const closed = once(serverSide, 'close')
    const { answer } = await sending
    await closed
    assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} .*\\r\\nConnection: close\\r\\n`, 'is'))
    assert.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1)
    // Node.js reads up to 64 KiB at once.
    assert.ok(serverSide.bytesRead <= lingering.bytes + 3 * 65_536, `${serverSide.bytesRead} bytes`)
  })
}

test('a client that sends its whole body before it reads gets the answer, and no reset', async (t) => {
  const { listen } = await build(t, [], { access: { tokens } })
  const url = await listen()
  const body = Buffer.alloc(800_000, 'x')
  const head = `PUT ${service} HTTP/1.1\r\nHost: x\r\n${json}\r\nContent-Length: ${body.length}\r\n\r\n`
  const socket = net.connect({ port: Number(new URL(url).port), host: '127.0.0.1', allowHalfOpen: true })
  await once(socket, 'connect')
  socket.pause()
  await new Promise((resolve) => socket.write(Buffer.concat([Buffer.from(head), body]), resolve))
  // An error here fails the test.
  const answer = text(socket)
  assert.match(await answer, /^HTTP\/1\.1 401 .*This needs a token/s)
  socket.end()
})

test('a request that follows an unread body on the same connection is not answered', async (t) => {
  const { listen } = await build(t, [], { access: { tokens } })
  const url = await listen()
  const next = 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n'
  const answer = await sendAndReadAll(t, url, `PUT /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}${next}`)
  assert.deepEqual(answer.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 404'])
})

test('a connection stays open while its bodies are read', async (t) => {
  const { listen } = await build(t, [], { access: { tokens } })
  const url = await listen()
  const ask = (line: string, body: string, ...headers: string[]) =>
    [line, 'Host: x', authorization, ...headers, `Content-Length: ${body.length}`, '', body].join('\r\n')
  const requests = [
    ask(`PUT ${service} HTTP/1.1`, '{"targets":["127.0.0.1:1"]}', json),
    ask(`PUT ${service} HTTP/1.1`, '{"targets":1}', json),
    ask(`PUT ${service}/drain HTTP/1.1`, '{}', json),
    'GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
  ]
  const answer = await sendAndReadAll(t, url, requests.join(''))
  assert.deepEqual(
    answer.match(/HTTP\/1\.1 \d+/g)?.map((line) => line.slice(9)),
    ['201', '400', '204', '200'],
  )
})

test('a client that waits for 100 Continue receives it only where the body is read', async (t) => {
  const { listen } = await build(t, [], { access: { tokens } })
  const url = await listen()
  const ask = async (line: string, ...headers: string[]) => {
    const socket = net.connect(Number(new URL(url).port), '127.0.0.1')
    t.after(() => void socket.destroy())
    socket.write([line, 'Host: x', 'Expect: 100-continue', 'Connection: close', ...headers, '', ''].join('\r\n'))
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    const first = chunk.toString().slice(9, 12)
    if (first !== '100') return [first]
    socket.write('{"targets":["127.0.0.1:1"]}')
    return [first, (await text(socket)).slice(9, 12)]
  }
  const length = 'Content-Length: 27'
  assert.deepEqual(await ask(`PUT ${service} HTTP/1.1`, authorization, json, length), ['100', '201'])
  assert.deepEqual(await ask(`PUT ${service}/drain HTTP/1.1`, authorization, length), ['100', '400'])
  assert.deepEqual(await ask(`PUT ${service} HTTP/1.1`, json, length), ['401'])
  assert.deepEqual(await ask(`PUT ${service} HTTP/1.1`, authorization, json, endless), ['413'])
  assert.deepEqual(await ask('PUT /nowhere HTTP/1.1', json, length), ['404'])
})
