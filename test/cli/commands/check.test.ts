import assert from 'node:assert/strict'
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { test } from 'node:test'
import { type CheckParts, check } from '../../../src/cli/commands/check.ts'
import { readTargets } from '../../../src/cli/targets.ts'
import type { Reason } from '../../../src/domain/check/outcome.ts'
import { TargetReport } from '../../../src/http/health/reports.ts'
import { createResolver, type Lookup } from '../../../src/prober/lookup/resolver.ts'
import { createPortableProber } from '../../../src/prober/portable.ts'
import type { Prober } from '../../../src/prober/prober.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { sampleOutcome, sampleTarget } from '../../support/samples.ts'

/** Runs the command and collects its output. */
async function run(texts: string | string[], prober: Prober, format: CheckParts['format'] = 'sentences') {
  const said = { out: [] as string[], err: [] as string[] }
  const status = await check([texts].flat().map(sampleTarget), {
    timeoutMs: 2000,
    prober,
    format,
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

test('texts that are no targets: a line with the remedy for each', () => {
  const err: string[] = []
  assert.equal(readTargets(['localhost', 'db:1', 'http://db:1'], { err: (line) => err.push(line) }), null)
  assert.equal(err.length, 2)
  assert.match(err[0] ?? '', /^"localhost" has no port: write host:port/)
  assert.match(err[1] ?? '', /^"http:\/\/db:1" is a URL/)
  assert.deepEqual(
    readTargets(['db:1'], { err: assert.fail })?.map(({ name }) => name),
    ['db:1'],
  )
})

/** A prober whose checks end when the test says so. */
function heldProber() {
  const ends: ((reason: Reason) => void)[] = []
  const prober: Prober = {
    name: 'portable',
    check: ({ onAddress }, ended) =>
      ends.push((reason) => {
        onAddress?.(`an address is ${reason}`)
        ended(sampleOutcome(reason, 0))
      }),
    restarts: () => 0,
    close: async () => {},
  }
  return { prober, ends }
}

test('several targets are checked at the same time, at most 64, and reported in their order', async () => {
  const { prober, ends } = heldProber()
  const names = Array.from({ length: 100 }, (_, i) => `db-${i}:1`)
  const running = run(names, prober, 'json')
  assert.equal(ends.length, 64)
  ends[63]?.('refused')
  await new Promise(setImmediate)
  assert.equal(ends.length, 65)
  for (let at = 0; at < names.length; at++) {
    if (at !== 63) ends[at]?.('connected')
    await new Promise(setImmediate)
  }
  const { status, out, err } = await running
  const reports = out.map((line) => JSON.parse(line))
  assert.deepEqual(
    reports.map(({ target }) => target),
    names,
  )
  assert.deepEqual(
    reports.filter((report) => report.status !== 'up').map(({ target }) => target),
    ['db-63:1'],
  )
  assert.deepEqual([status, err], [1, []])
})

test('--json has the fields of a target in the API, and a line for each address', async () => {
  const { prober, ends } = heldProber()
  const running = run('db:1', prober, 'json')
  ends[0]?.('refused')
  const [line = ''] = (await running).out
  const { addresses, ...report } = JSON.parse(line)
  assert.deepEqual(addresses, ['an address is refused'])
  assert.deepEqual([report.target, report.status, report.reason], ['db:1', 'down', 'refused'])
  assert.deepEqual(
    Object.keys(report).filter((field) => !(field in TargetReport.shape)),
    [],
  )
})

test('--quiet prints nothing, and the exit status tells the result', async () => {
  for (const [reason, status] of [
    ['connected', 0],
    ['refused', 1],
    ['local', 1],
  ] as const) {
    const { prober, ends } = heldProber()
    const running = run('db:1', prober, 'none')
    ends[0]?.(reason)
    assert.deepEqual(await running, { status, out: [], err: [] })
  }
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
