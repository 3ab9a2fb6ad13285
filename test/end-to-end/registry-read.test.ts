/** Portholes that start while their store cannot be read. They must not report services as absent that they do not know yet. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createFolder, start, until } from '../support/process.ts'
import { noPrometheus, startPrometheus } from '../support/prometheus.ts'
import { freePort, noRedis, startRedis } from '../support/redis-server.ts'

const PORTHOLE_TOKEN = 'a-token-for-these-tests'
type Started = Awaited<ReturnType<typeof start>>

const groups = ['metrics']
const fileService = { targets: ['127.0.0.1:1'], groups, interval: '1s' }

/** Starts Porthole with one service in its file, and with further settings. */
async function startPorthole(t: TestContext, more: object, env: Record<string, string> = { PORTHOLE_TOKEN }) {
  const file = join(createFolder(t), 'porthole.json')
  writeFileSync(file, JSON.stringify({ shutdownDelay: '0s', services: { 'of-file': fileService }, ...more }))
  return start(t, ['--config', file], env)
}

async function register({ url }: Started, name: string): Promise<void> {
  const answer = await fetch(`${url}/v1/services/${name}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${PORTHOLE_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({ targets: ['127.0.0.1:2'], groups, interval: '1s' }),
  })
  assert.equal(answer.status, 201, await answer.text())
}

/** Returns the names in the list for Prometheus; null if the answer is 503. */
async function listed({ url }: Started): Promise<string | null> {
  const answer = await fetch(`${url}/v1/sd`)
  if (answer.status !== 200) {
    assert.deepEqual([answer.status, answer.headers.get('retry-after')], [503, '5'])
    return null
  }
  const groups = (await answer.json()) as { labels: { __meta_porthole_service: string } }[]
  return groups.map(({ labels }) => labels.__meta_porthole_service).join(' ')
}

const statusOf = async ({ url }: Started, path: string) => (await fetch(url + path)).status
const known = async (porthole: Started) => (await porthole.metric('porthole_registry_known'))['']
const isListed = (porthole: Started) => until('a list', async () => (await listed(porthole)) !== null)

/** Asserts the answers of a Porthole that has not read its registry, which has one service more than its file. */
async function assertUnread(porthole: Started): Promise<void> {
  assert.equal(await listed(porthole), null)
  assert.equal(await known(porthole), 0)
  assert.equal(await statusOf(porthole, '/health/registered'), 503)
  assert.equal(await statusOf(porthole, '/v1/services/registered'), 503)
  assert.equal(await statusOf(porthole, '/health?group=metrics'), 503)
}

async function assertRead(porthole: Started): Promise<void> {
  await isListed(porthole)
  assert.equal(await listed(porthole), 'of-file registered')
  assert.equal(await known(porthole), 1)
  assert.equal(await statusOf(porthole, '/v1/services/registered'), 200)
  assert.equal(await statusOf(porthole, '/v1/services/other'), 404)
}

test('Prometheus keeps its targets over a restart of Porthole while Redis is away', {
  skip: noRedis || noPrometheus,
}, async (t) => {
  const redis = await startRedis(t)
  const port = await freePort()
  const replicas = { redis: redis.url }
  const first = await startPorthole(t, { replicas }, { PORTHOLE_TOKEN, PORTHOLE_PORT: `${port}` })
  await isListed(first)
  for (let i = 0; i < 5; i++) await register(first, `registered-${i}`)
  const { activeTargets } = await startPrometheus(t, `127.0.0.1:${port}`)
  const count = async () => (await activeTargets('porthole-services')).length
  await until('six targets', async () => (await count()) === 6)

  redis.kill('SIGSTOP')
  first.child.kill('SIGKILL')
  await first.ended
  const second = await startPorthole(t, { replicas }, { PORTHOLE_TOKEN, PORTHOLE_PORT: `${port}` })
  await second.logged(/^solo: /)
  await until('it is ready', async () => (await statusOf(second, '/readyz')) === 200)
  const asked = async () => await second.metric('porthole_http_request_duration_seconds_count')
  const refused = async () =>
    Object.entries(await asked()).find(([labels]) => /v1\/sd/.test(labels) && /503/.test(labels))?.[1] ?? 0
  const before = await refused()
  // Prometheus scrapes the list every second.
  await until('Prometheus asked three times more', async () => (await refused()) >= before + 3)
  assert.equal(await count(), 6)
  assert.equal(await known(second), 0)

  redis.kill('SIGCONT')
  await isListed(second)
  assert.equal((await listed(second))?.split(' ').length, 6)
  assert.equal(await count(), 6)
})

test('a replica that starts while Redis is away knows the registry once Redis is there, and still knows it when Redis goes away again', {
  skip: noRedis,
}, async (t) => {
  const redis = await startRedis(t)
  const replicas = { redis: redis.url }
  const first = await startPorthole(t, { replicas })
  await isListed(first)
  await register(first, 'registered')
  redis.kill('SIGSTOP')
  first.child.kill('SIGKILL')
  const second = await startPorthole(t, { replicas })
  // The answers are the same while it is joining and when it is solo.
  await assertUnread(second)
  await second.logged(/^solo: /)
  await assertUnread(second)
  await until('it is ready', async () => (await statusOf(second, '/readyz')) === 200)
  redis.kill('SIGCONT')
  await assertRead(second)
  redis.kill('SIGSTOP')
  const { length } = second.lines
  await second.logged(/^solo: /, length)
  await assertRead(second)
})

test('a replica that starts before the others restored the lost data of Redis does not take the empty Redis for the registry', {
  skip: noRedis,
}, async (t) => {
  const redis = await startRedis(t)
  const replicas = { redis: redis.url }
  const first = await startPorthole(t, { replicas })
  await isListed(first)
  await register(first, 'registered')
  redis.kill('SIGKILL')
  first.child.kill('SIGSTOP')
  await redis.restart()
  const second = await startPorthole(t, { replicas })
  await second.logged(/^linked: /)
  first.child.kill('SIGCONT')
  await assertRead(second)
})

test('a second Porthole on one data directory knows the registry once it takes over', async (t) => {
  const data = join(createFolder(t), 'data')
  const first = await startPorthole(t, { data })
  await register(first, 'registered')
  await assertRead(first)
  const second = await startPorthole(t, { data })
  await assertUnread(second)
  first.child.kill('SIGTERM')
  await first.ended
  await assertRead(second)
})

test('with a damaged store services may be missing; without a token the file is the whole registry', async (t) => {
  const data = createFolder(t)
  writeFileSync(join(data, 'porthole.db'), 'this is no database')
  const porthole = await startPorthole(t, { data })
  await assertUnread(porthole)
  const { detail } = (await (await fetch(`${porthole.url}/v1/sd`)).json()) as { detail: string }
  assert.match(detail, /porthole\.db is damaged: move it away/)

  const closed = await startPorthole(t, { data }, {})
  assert.equal(await listed(closed), 'of-file')
  assert.equal(await known(closed), 1)
  assert.equal(await statusOf(closed, '/health/registered'), 404)
})

test('the registry is unknown from the start of listening to the end of the load of the store', async (t) => {
  const data = createFolder(t)
  const first = await startPorthole(t, { data })
  await register(first, 'registered')
  const second = await startPorthole(t, { data })
  const seen: (string | null)[] = []
  first.child.kill('SIGTERM')
  while (seen.at(-1) !== 'of-file registered') {
    seen.push(await listed(second))
    await sleep(5)
    assert.ok(seen.length < 4000)
  }
  assert.deepEqual(new Set(seen), new Set([null, 'of-file registered']))
})
