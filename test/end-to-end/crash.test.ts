/** Porthole is killed, started again, and asked for its stored data. */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { listen } from '../support/app.ts'
import { createFolder, start, until } from '../support/process.ts'

const PORTHOLE_TOKEN = 'a-token-of-the-crash-test'
const authorization = `Bearer ${PORTHOLE_TOKEN}`
const rounds = 6
const registrations = 400
/** The number of registrations that are sent at once. */
const callers = 50

type Started = Awaited<ReturnType<typeof start>>

/** A Porthole that stores its data in this folder. */
async function run(t: TestContext, data: string): Promise<Started> {
  const config = join(createFolder(t), 'porthole.json')
  const services = { file: { targets: ['127.0.0.1:1'], interval: '100ms' } }
  writeFileSync(config, JSON.stringify({ services, limits: { services: 100_000 }, dial: { loopback: true } }))
  return start(t, ['--config', config], { PORTHOLE_TOKEN, PORTHOLE_DATA: data, PORTHOLE_PROBER: 'portable' })
}

/** Starts it again, and waits until it has read the store. */
async function runAgain(t: TestContext, data: string): Promise<Started> {
  const porthole = await run(t, data)
  await until('the registry is known', async () => (await porthole.metric('porthole_registry_known'))[''] === 1)
  return porthole
}

const change = (url: string, method: string) => fetch(url, { method, headers: { authorization } })
const put = (url: string, name: string, body: object = { targets: ['127.0.0.1:1'], interval: 'off' }) =>
  fetch(`${url}/v1/services/${name}`, {
    method: 'PUT',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

async function kill({ child, ended }: Started): Promise<void> {
  child.kill('SIGKILL')
  await ended
}

/** Registers services and ends the process in the middle of the registrations. Returns the names of the confirmed ones. */
async function registerUntil(
  signal: 'SIGKILL' | 'SIGTERM',
  porthole: Started,
  round: number,
  after: number,
): Promise<string[]> {
  const confirmed: string[] = []
  let next = 0
  async function call(): Promise<void> {
    while (next < registrations) {
      const name = `round-${round}-${next++}`
      const answer = await put(porthole.url, name).catch(() => null)
      if (answer === null) return
      assert.equal(answer.status, 201, await answer.text())
      confirmed.push(name)
      // End the process now, while all other registrations are under way.
      if (confirmed.length === after) porthole.child.kill(signal)
    }
  }
  await Promise.all(Array.from({ length: callers }, call))
  await porthole.ended
  return confirmed
}

async function namesAt(url: string): Promise<Set<string>> {
  // On a busy machine it listens before it has read the store, and answers 503.
  await until('it has read what it kept', async () => {
    const { warnings } = (await (await fetch(`${url}/v1/services?limit=1`)).json()) as { warnings: string[] }
    return warnings.length === 0
  })
  const names = new Set<string>()
  let next: string | null = ''
  while (next !== null) {
    const page = await (await fetch(`${url}/v1/services?limit=1000${next === '' ? '' : `&cursor=${next}`}`)).json()
    const { services, next: cursor } = page as { services: { service: string }[]; next: string | null }
    for (const { service } of services) names.add(service)
    next = cursor
  }
  return names
}

test(`killed in the middle of ${registrations} registrations, ${rounds} times over, it still has every registration that it confirmed`, async (t) => {
  const data = createFolder(t)
  const confirmed = new Set<string>()
  let porthole = await run(t, data)
  for (let round = 0; round < rounds; round++) {
    const after = randomInt(1, registrations - callers)
    for (const name of await registerUntil('SIGKILL', porthole, round, after)) confirmed.add(name)
    porthole = await runAgain(t, data)
    const known = await namesAt(porthole.url)
    const lost = [...confirmed].filter((name) => !known.has(name))
    assert.deepEqual(lost, [], `round ${round}, killed after ${after}: ${lost.length} of ${confirmed.size} are lost`)
  }
  t.diagnostic(`${confirmed.size} confirmed registrations, 0 lost`)
  await kill(porthole)
})

test('after SIGTERM in the middle of registrations it ends by itself and still has every registration that it confirmed', async (t) => {
  const data = createFolder(t)
  const first = await run(t, data)
  const confirmed = await registerUntil('SIGTERM', first, 0, 300)
  // It exits with 0 only if closing was complete. If closing takes too long, the process ends with 1.
  assert.deepEqual(await first.ended, { code: 0, signal: null })
  const second = await runAgain(t, data)
  const known = await namesAt(second.url)
  assert.ok(confirmed.length >= 300)
  assert.deepEqual(
    confirmed.filter((name) => !known.has(name)),
    [],
  )
  await kill(second)
})

test('a second Porthole with the same directory checks from memory, says why, and takes over when the first ends', async (t) => {
  const data = createFolder(t)
  const first = await run(t, data)
  assert.equal((await put(first.url, 'web')).status, 201)
  const second = await run(t, data)
  const { failure } = await second.logged(/^the store fails/)
  assert.match(String(failure), /^another Porthole uses .*porthole\.db/)
  await until('the file is checked', async () => (await second.health('file')).body.targets[0]?.reason === 'refused')
  assert.equal((await put(second.url, 'mq')).status, 503)
  assert.equal((await put(first.url, 'mq')).status, 201)
  assert.equal((await fetch(`${first.url}/readyz`)).status, 200)

  first.child.kill('SIGTERM')
  await first.ended
  await second.logged(/^the store works again/)
  await until('the registry is known', async () => (await second.metric('porthole_registry_known'))[''] === 1)
  for (const name of ['web', 'mq']) assert.equal((await fetch(`${second.url}/v1/services/${name}`)).status, 200)
  assert.equal((await put(second.url, 'db')).status, 201)
  // It found the state of the first one, so nothing changed.
  await until('all is written', async () => (await second.metric('porthole_store_waiting_transitions'))[''] === 0)
  const told = (await transitionsAt(second.url, 'file')).filter(({ target }) => target === null)
  assert.deepEqual(told.map(({ to }) => to).reverse(), ['down'])
  assert.deepEqual(
    told.map(({ id }) => Number(id)),
    told.map(({ id }) => Number(id)).sort((a, b) => b - a),
  )
  await kill(second)
})

test('registrations, drains and transitions outlast a kill, and the time in between is a gap', async (t) => {
  const data = createFolder(t)
  const { target } = await listen(t)
  const { target: failing, close } = await listen(t)
  const first = await run(t, data)
  await put(first.url, 'web', { targets: [target], interval: '100ms', groups: ['shop'] })
  await put(first.url, 'brief', { targets: [target], ttl: '1h' })
  await put(first.url, 'fails', { targets: [failing], interval: '100ms' })
  await put(first.url, 'gone', { targets: [target] })
  await change(`${first.url}/v1/services/gone`, 'DELETE')
  await change(`${first.url}/v1/services/file/drain`, 'PUT')
  await until('web is up', async () => (await first.health('web')).code === 200)
  await until('the other is up', async () => (await first.health('fails')).code === 200)
  const before = await transitionsAt(first.url, 'web')
  const { headers } = await fetch(`${first.url}/v1/services/web`)
  await until('all is written', async () => (await first.metric('porthole_store_waiting_transitions'))[''] === 0)
  await kill(first)
  await close()

  const second = await runAgain(t, data)
  const known = await fetch(`${second.url}/v1/services/web`)
  assert.equal(known.headers.get('etag'), headers.get('etag'))
  assert.equal((await fetch(`${second.url}/v1/services/gone`)).status, 404)
  assert.ok(
    Date.parse(((await (await fetch(`${second.url}/v1/services/brief`)).json()) as { expiresAt: string }).expiresAt) >
      Date.now() + 3_500_000,
  )
  assert.deepEqual((await second.health('file')).body.status, 'draining')
  await until('web is up again', async () => (await second.health('web')).code === 200)

  // Before its first check it is unknown, which is 503 as well.
  await until('the other is down', async () => (await second.health('fails')).body.status === 'down')

  assert.deepEqual(await transitionsAt(second.url, 'web'), before)
  const failed = (await transitionsAt(second.url, 'fails')).map(({ target, from, to }) => `${target}: ${from} → ${to}`)
  assert.deepEqual(failed.slice(0, 2), ['null: up → down', `${failing}: up → down`])
  const { gaps } = (await (await fetch(`${second.url}/v1/transitions`)).json()) as {
    gaps: { from: string; to: string }[]
  }
  assert.equal(gaps.length, 1)
  assert.ok(Date.parse(gaps[0]?.from ?? '') < Date.parse(gaps[0]?.to ?? ''))
  const uptime = (await (await fetch(`${second.url}/v1/services/web/uptime`)).json()) as {
    windows: Record<string, number>[]
  }
  const { uptime: share, upMs = 0, unknownMs = 0 } = uptime.windows[0] ?? {}
  assert.equal(share, 1)
  assert.ok(upMs > 0 && unknownMs > 0)

  // A reader of the first process's events goes on with the second one and gets only new events.
  const events = await fetch(`${second.url}/v1/events?service=web`, {
    headers: { 'last-event-id': String(before[0]?.id) },
  })
  await change(`${second.url}/v1/services/web`, 'DELETE')
  let told = ''
  for await (const chunk of events.body ?? assert.fail()) {
    told += Buffer.from(chunk).toString()
    if (told.includes('"message":"deregistered"')) break
  }
  assert.equal(told.match(/^event: transition$/gm)?.length, 1, told)
  assert.doesNotMatch(told, /event: reset/)
  await kill(second)
})

type ReportedTransition = { id: string; target: string | null; from: string; to: string; message: string }

async function transitionsAt(url: string, service: string): Promise<ReportedTransition[]> {
  const { transitions } = (await (await fetch(`${url}/v1/services/${service}/transitions`)).json()) as {
    transitions: ReportedTransition[]
  }
  return transitions
}

test('a file that is no database stops neither the start nor the checks, is not changed, and can be replaced while Porthole runs', async (t) => {
  const data = createFolder(t)
  const file = join(data, 'porthole.db')
  const garbage = Buffer.alloc(10_000, 'this is no database ')
  writeFileSync(file, garbage)
  const porthole = await run(t, data)
  await porthole.logged(/^the store fails/)
  await until('the file is checked', async () => (await porthole.health('file')).body.targets[0]?.reason === 'refused')
  const ready = await fetch(`${porthole.url}/readyz?verbose`)
  assert.equal(ready.status, 503)
  assert.match(await ready.text(), /\[-\]store failed: .*porthole\.db/)
  assert.equal((await porthole.metric('porthole_store_up'))[''], 0)
  const refused = await put(porthole.url, 'web')
  assert.equal(refused.status, 503)
  assert.match(
    ((await refused.json()) as { detail: string }).detail,
    /^Nothing was changed, because it could not be saved: .*porthole\.db/,
  )
  assert.deepEqual(readFileSync(file), garbage)

  renameSync(file, join(data, 'aside'))
  await porthole.logged(/^the store works again/)
  assert.equal((await put(porthole.url, 'web')).status, 201)
  assert.equal((await fetch(`${porthole.url}/readyz`)).status, 200)
  assert.equal((await porthole.metric('porthole_store_up'))[''], 1)
  await kill(porthole)
})

test('a start without a data directory logs that the data will be lost', async (t) => {
  const porthole = await start(t, ['a=127.0.0.1:1'])
  await porthole.logged(/^memory only: .*PORTHOLE_DATA/)
  await kill(porthole)
})
