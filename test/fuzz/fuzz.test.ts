import assert from 'node:assert/strict'
import { createHash, randomInt } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type Built, build, stoppedClock } from '../support/app.ts'
import { sampleService } from '../support/samples.ts'
import { fuzz } from './fuzz.ts'
import { randomProber } from './prober.ts'

const seed = Number(process.env.FUZZ_SEED ?? randomInt(2 ** 31))
const again = `FUZZ_SEED=${seed} npx -c 'node --test test/fuzz/fuzz.test.ts'`
const secret = 'a-token-that-is-long-enough'
const sha256 = createHash('sha256').update(secret).digest('hex')

const services = [
  sampleService('postgres', ['db-1:5432', 'db-2:5432'], { quorum: 'any', groups: ['payments'] }),
  sampleService('redis', ['10.0.0.5:6379'], { groups: ['payments', 'cache'] }),
  sampleService('legacy queue/mq', ['[2001:db8::1]:61616'], { interval: 'off', maxAge: 0 }),
  sampleService('näm€ 🐘', ['many.example:1'], { groups: ['a group'], resolve: 'all' }),
]

/** Reads all pages of the list of services. Fails if a service is listed twice. */
async function listAll({ app }: Built, headers: Record<string, string>): Promise<string[]> {
  const names: string[] = []
  for (let next: string | null = ''; next !== null; ) {
    const url: string = `/v1/services?limit=7${next && `&cursor=${next}`}`
    const page = (await app.inject({ url, headers })).json<{ services: { service: string }[]; next: string | null }>()
    names.push(...page.services.map(({ service }) => service))
    next = page.next
  }
  assert.equal(new Set(names).size, names.length, 'a service is listed twice')
  return names
}

const comment = /^# (HELP|TYPE) [a-zA-Z_:][a-zA-Z0-9_:]* .+$/
const sample =
  /^[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-zA-Z_]\w*="([^"\\\n]|\\[\\"n])*",?)*\})? +(NaN|[+-]Inf|-?\d+(\.\d+)?(e[+-]?\d+)?)$/i

async function assertSane(built: Built, headers: Record<string, string>): Promise<void> {
  const names = await listAll(built, headers)
  assert.ok(
    services.every(({ name }) => names.includes(name)),
    'a service of the file is gone',
  )
  for (const name of names) {
    const url = `/v1/services/${encodeURIComponent(name)}`
    assert.equal((await built.app.inject({ url, headers })).statusCode, 200, url)
  }
  const { body } = await built.get('/metrics')
  for (const line of body.split('\n')) assert.ok(line === '' || comment.test(line) || sample.test(line), line)
}

/** Collects unhandled rejections until the test ends. */
function unhandled(t: TestContext): unknown[] {
  const failures: unknown[] = []
  const note = (reason: unknown) => void failures.push(reason)
  process.on('unhandledRejection', note)
  t.after(() => process.off('unhandledRejection', note))
  return failures
}

for (const details of ['all', 'token'] as const) {
  test(`with details for ${details === 'all' ? 'all clients' : 'clients with a token'}, the OpenAPI document describes every answer to any request`, async (t) => {
    t.diagnostic(again)
    const failures = unhandled(t)
    const clock = stoppedClock()
    const access = { details, tokens: [{ name: 'fuzz', sha256 }] }
    const built = await build(t, services, { clock, access, prober: randomProber(clock, seed) })
    await built.listen()
    const { port } = built.app.server.address() as AddressInfo
    const document = (await built.get('/openapi.json')).json()
    let asked = 0
    // Requests come 10 ms apart, so that wrong tokens meet the limit. Every 1,000th comes after a minute, so that much state is old.
    async function before(): Promise<void> {
      asked += 1
      clock.advance(asked % 1000 === 0 ? 60_000 : 10)
      if (asked % 50 === 1) await built.sweep()
    }
    const report = await fuzz({
      app: built.app,
      port,
      document,
      seed,
      requests: 6000,
      connections: 200,
      secret,
      before,
    })
    for (const line of report.lines) t.diagnostic(line)
    const findings = report.findings.map(
      ({ operation, complaint, request, times }) => `${operation}: ${complaint} (${times} times)\n    ${request}`,
    )
    assert.equal(findings.length, 0, `${again}\n${findings.join('\n')}`)
    assert.deepEqual(report.unserved, [], `these answered no valid request\n${again}`)
    await assertSane(built, { authorization: `Bearer ${secret}` })
    assert.deepEqual(failures, [])
  })
}
