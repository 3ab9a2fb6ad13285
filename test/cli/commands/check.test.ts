import assert from 'node:assert/strict'
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { test } from 'node:test'
import { check } from '../../../src/cli/commands/check.ts'
import { parseTarget } from '../../../src/domain/target/target.ts'
import { createResolver, type Lookup } from '../../../src/prober/lookup/resolver.ts'
import { createPortableProber } from '../../../src/prober/portable.ts'
import type { Prober } from '../../../src/prober/prober.ts'
import { systemClock } from '../../../src/runtime/clock.ts'

/** Runs the command and collects its output. */
async function run(targetText: string, prober: Prober) {
  const said = { out: [] as string[], err: [] as string[] }
  const status = await check(targetText, {
    timeoutMs: 2000,
    prober,
    out: (line) => said.out.push(line),
    err: (line) => said.err.push(line),
  })
  return { status, ...said }
}

const clock = systemClock()
const proberWith = (lookup?: Lookup) =>
  createPortableProber({ clock, resolver: createResolver({ clock, ...(lookup && { lookup }) }) })

test('a listener is up, and the exit status is 0', async (t) => {
  const server = net.createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const { status, out, err } = await run(`127.0.0.1:${port}`, proberWith())
  assert.match(out.join('\n'), new RegExp(`^127\\.0\\.0\\.1:${port} is up: connected in \\d+(\\.\\d\\d)? ms$`))
  assert.deepEqual([status, err], [0, []])
})

test('a closed port is down with the reason in a sentence, and the exit status is 1', async () => {
  const { status, out, err } = await run('127.0.0.1:1', proberWith())
  assert.match(
    out.join('\n'),
    /^127\.0\.0\.1:1 is down: refused in [\d.]+ ms: nothing listens on 127\.0\.0\.1:1, or a firewall rejects it$/,
  )
  assert.deepEqual([status, err], [1, []])
})

test('a name has a line for each address, in the order of the dials, before the verdict', async (t) => {
  const server = net.createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const { status, out } = await run(
    `db-1:${port}`,
    proberWith(async () => ['127.0.0.2', '127.0.0.1', '127.0.0.3']),
  )
  const [refused, connected, left, verdict] = out
  assert.match(refused ?? '', /^127\.0\.0\.2:\d+: refused in [\d.]+ ms$/)
  assert.match(connected ?? '', /^127\.0\.0\.1:\d+: connected in [\d.]+ ms$/)
  assert.equal(left, `127.0.0.3:${port}: not dialled`)
  assert.match(verdict ?? '', /^db-1:\d+ is up: connected in [\d.]+ ms$/)
  assert.deepEqual([status, out.length], [0, 4])
})

test('a name with one address has a line for it too', async () => {
  const { status, out } = await run(
    'db-1:1',
    proberWith(async () => ['127.0.0.2']),
  )
  assert.match(out[0] ?? '', /^127\.0\.0\.2:1: refused in [\d.]+ ms$/)
  assert.match(
    out[1] ?? '',
    /^db-1:1 is down: refused in [\d.]+ ms: nothing listens on 127\.0\.0\.2:1, or a firewall rejects it$/,
  )
  assert.deepEqual([status, out.length], [1, 2])
})

test("a fault of Porthole's machine is not called down, and the exit status is 1", async () => {
  const lookup: Lookup = () => Promise.reject(Object.assign(new Error('no resolver'), { code: 'EAI_AGAIN' }))
  assert.deepEqual(await run('db-1:5432', proberWith(lookup)), {
    status: 1,
    out: ['db-1:5432 could not be checked: the name db-1 could not be looked up (EAI_AGAIN)'],
    err: [],
  })
})

test('an invalid target is wrong usage: the remedy is on the error output, and the exit status is 2', async () => {
  assert.deepEqual(await run('localhost', proberWith()), {
    status: 2,
    out: [],
    err: [parseTarget('localhost')],
  })
})

test('an abandoned check says so, and the exit status is 1', async () => {
  const prober = proberWith()
  await prober.close()
  assert.deepEqual(await run('127.0.0.1:1', prober), {
    status: 1,
    out: [],
    err: ['the check of 127.0.0.1:1 was abandoned'],
  })
})
