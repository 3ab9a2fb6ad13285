/** Several replicas share the same services, without faults. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../../support/process.ts'
import { noRedis } from '../../support/redis-server.ts'
import {
  assertNoFalseTransition,
  change,
  checkersOf,
  type Member,
  startFleet,
  transitionsOf,
  untilRate,
  watchHealth,
} from './fleet.ts'

/** Returns the gauges and counters of targets, services and groups. */
async function sharedMetrics({ url }: Member): Promise<string[]> {
  const page = await (await fetch(`${url}/metrics`)).text()
  return page.split('\n').filter((line) => /^porthole_(target|service|group)_/.test(line))
}

test('each target is checked once an interval by one replica, and the replicas have about equal shares', {
  skip: noRedis,
}, async (t) => {
  const { members, targets } = await startFleet(t, { services: 100 })
  await untilRate(targets, 0.9, 1.1)
  const shares = await Promise.all(members.map((one) => one.shards()))
  t.diagnostic(`shards: ${shares.join(', ')}`)
  for (const share of shares) assert.ok(share > 50 && share < 120, `${shares}`)
  const checkers = await Promise.all(members.map(checkersOf))
  for (const other of checkers.slice(1)) assert.deepEqual(other, checkers[0])
  await assertNoFalseTransition(members)
})

test('all replicas show the same metrics and reports', { skip: noRedis }, async (t) => {
  // Few services and a long interval, so that nothing changes while the test asks one replica after the other.
  const defaults = { interval: '4s', timeout: '900ms', close: 'rst' }
  const { members } = await startFleet(t, { services: 5, more: { defaults } })
  const same = async (what: string, ask: (member: Member) => Promise<unknown>) =>
    until(`all show the same ${what} at one moment`, async () => {
      const [one, ...others] = await Promise.all(members.map(async (member) => JSON.stringify(await ask(member))))
      return others.every((other) => other === one)
    })
  await same('metrics', sharedMetrics)
  for (const service of ['s0', 's1', 's2', 's3', 's4']) {
    await same(`report of ${service}`, async (member) => (await member.health(service)).body)
  }
  await same('transitions', transitionsOf)
  for (const { url } of members) {
    await until('the replica shows checks of the others as well', async () => {
      const page = await (await fetch(url)).text()
      return page.match(/aria-label="last ([2-9]|\d\d) checks: median/g)?.length === 5
    })
  }
})

test('a fourth replica takes about a quarter, and no other share moves', { skip: noRedis }, async (t) => {
  const { members, join, targets } = await startFleet(t)
  const [first] = members
  assert(first)
  await sleep(2500)
  const before = await checkersOf(first)
  const fourth = await join()
  await until('the fourth replica has its share', async () => (await fourth.shards()) > 30)
  await sleep(3000)
  const after = await checkersOf(first)
  const moved = [...after].filter(([service, by]) => by?.replica !== before.get(service)?.replica)
  t.diagnostic(`${moved.length} of ${targets.length} services moved, ${await fourth.shards()} of 256 shards`)
  assert.ok(moved.length > 40 && moved.length < 110, `${moved.length} moved`)
  assert.equal(new Set(moved.map(([, by]) => by?.replica)).size, 1)
  await untilRate(targets, 0.9, 1.1)
  await assertNoFalseTransition([...members])
})

test('a change at one replica reaches all others at once, and If-Match works across replicas', {
  skip: noRedis,
}, async (t) => {
  const { members, targets } = await startFleet(t, { services: 2 })
  const [first, second, third] = members
  const [one] = targets
  assert(first && second && third && one)
  const body = { targets: [`127.0.0.1:${one.port}`], interval: '1s' }
  const waits: number[] = []
  const seen = async (what: string, ask: (member: Member) => Promise<boolean>) => {
    const from = performance.now()
    await Promise.all(members.map((member) => until(what, () => ask(member))))
    waits.push(performance.now() - from)
  }
  for (let i = 0; i < 10; i++) {
    const created = await change(first, 'PUT', `/services/r${i}`, body)
    assert.equal(created.status, 201)
    await seen('it is registered', async ({ url }) => (await fetch(`${url}/v1/services/r${i}`)).status === 200)
    const tag = created.headers.get('etag') ?? ''
    const changed = await change(second, 'PUT', `/services/r${i}`, { ...body, rise: 3 }, { 'if-match': tag })
    assert.equal(changed.status, 200)
    assert.equal((await change(third, 'PUT', `/services/r${i}`, { ...body, rise: 4 }, { 'if-match': tag })).status, 412)
    await seen('its definition is the new one', async ({ url }) => {
      const detail = (await (await fetch(`${url}/v1/services/r${i}`)).json()) as { definition: { rise: number } }
      return detail.definition.rise === 3
    })
    assert.equal((await change(third, 'PUT', `/services/r${i}/drain`)).status, 204)
    await seen('it is drained', async (member) => (await member.health(`r${i}`)).body.status === 'draining')
    assert.equal((await change(second, 'DELETE', `/services/r${i}`)).status, 204)
    await seen('it is gone', async ({ url }) => (await fetch(`${url}/v1/services/r${i}`)).status === 404)
  }
  const [median, longest] = [waits.toSorted((a, b) => a - b)[waits.length >> 1] ?? Number.NaN, Math.max(...waits)]
  t.diagnostic(`visible at all three after ${Math.round(median)} ms, ${Math.round(longest)} ms at most`)
})

test('a service registered with a ttl at one replica and renewed at another expires only after the renewals end', {
  skip: noRedis,
}, async (t) => {
  const { members, targets } = await startFleet(t, { services: 1 })
  const [one] = targets
  assert(one)
  const body = { targets: [`127.0.0.1:${one.port}`], ttl: '4s', expireAfter: '0s' }
  for (let i = 0; i < 6; i++) {
    const member = members[i % 3]
    assert(member)
    assert.equal((await change(member, 'PUT', '/services/brief', body)).status, i === 0 ? 201 : 200)
    await sleep(1200)
    for (const { url } of members) assert.equal((await fetch(`${url}/v1/services/brief`)).status, 200)
  }
  for (const { url } of members) {
    await until('the service expired', async () => (await fetch(`${url}/v1/services/brief`)).status === 404)
  }
  const endsOf = async (member: Member) =>
    (await transitionsOf(member, '&service=brief')).filter(({ to, target }) => to === 'unknown' && target === null)
  for (const member of members)
    await until('the end of the service is in the log', async () => (await endsOf(member)).length > 0)
  const [first, ...others] = await Promise.all(members.map((member) => transitionsOf(member, '&service=brief')))
  for (const other of others) assert.deepEqual(other, first)
  const ends = first?.filter(({ to, target }) => to === 'unknown' && target === null)
  assert.equal(ends?.length, 1)
  assert.match(JSON.stringify(ends), /not registered again within its ttl of 4s/)
})

test('a check on demand runs on the replica that gets the request, and all replicas know its outcome', {
  skip: noRedis,
}, async (t) => {
  const fleet = await startFleet(t, { services: 1 })
  const { members, targets } = fleet
  const [first, second, third] = members
  const [one] = targets
  assert(first && second && third && one)
  await change(first, 'PUT', '/services/asked', { targets: [`127.0.0.1:${one.port}`], interval: 'off', maxAge: '1m' })
  for (const member of [second, third]) {
    await until('the service is known', async () => (await fetch(`${member.url}/v1/services/asked`)).status === 200)
  }
  const before = one.checks.length
  const { body } = await second.health('asked')
  assert.equal(body.status, 'up')
  for (const member of [first, third]) {
    await until('the outcome is known', async () => {
      const found = await fetch(`${member.url}/health/asked`, { headers: { 'cache-control': 'only-if-cached' } })
      return found.status === 200
    })
    assert.deepEqual((await member.health('asked')).body.targets, body.targets)
  }
  // The scheduled checks run every second, and all requests share one more check.
  assert.ok(one.checks.length - before <= 3, `${one.checks.length - before} checks`)

  // All replicas get requests at once, several times. Of concurrent outcomes one counts, so no streak is longer than the longest that an answer
  // showed. None is shorter than the number of rounds. How many were concurrent depends on the machine.
  await one.close()
  let longest = 0
  for (let round = 1; round <= 3; round++) {
    await sleep(1100)
    const answers = await Promise.all(members.map(({ url }) => fetch(`${url}/health/asked?maxAge=0s`)))
    const reports = (await Promise.all(answers.map((answer) => answer.json()))) as Asked[]
    longest = Math.max(longest, ...reports.map((report) => report.targets[0].streak))
    let streak = 0
    await until('all know the same', async () => {
      const streaks = await Promise.all(members.map(async (member) => (await cached(member)).targets[0].streak))
      streak = streaks[0] ?? 0
      return streaks.every((other) => other === streak)
    })
    assert.ok(
      round <= streak && streak <= longest,
      `${streak} after ${round} rounds, and the longest answer was ${longest}`,
    )
  }
})

/** The part of a report that this test reads, of a service with one target. */
type Asked = { readonly targets: readonly [{ readonly streak: number }] }

async function cached({ url }: Member): Promise<Asked> {
  return (
    await fetch(`${url}/health/asked`, { headers: { 'cache-control': 'only-if-cached' } })
  ).json() as Promise<Asked>
}

test('while replicas load another file one after the other, the newest counts and every service is checked', {
  skip: noRedis,
}, async (t) => {
  const fleet = await startFleet(t, { services: 40 })
  const { members, targets } = fleet
  const [first, second] = members
  const [kept, dropped, late] = targets
  assert(first && second && kept && dropped && late)
  const health = watchHealth(t, () => members)
  const services = Object.fromEntries(
    targets
      .filter((target) => target !== dropped)
      .map(({ service, port }) => [service, { targets: [`127.0.0.1:${port}`], groups: ['new'] }]),
  )
  const newer = { ...services, added: { targets: [`127.0.0.1:${late.port}`] } }
  const reload = (member: Member) => {
    writeFileSync(member.file, JSON.stringify(fleet.config({ services: newer })))
    member.child.kill('SIGHUP')
  }
  reload(first)
  for (const member of members) {
    await until('the newest file counts', async () => (await fetch(`${member.url}/v1/services/added`)).status === 200)
    assert.equal((await fetch(`${member.url}/v1/services/${dropped.service}`)).status, 404)
    await until('the service that it adds is checked', async () => (await member.health('added')).code === 200)
  }
  const others = targets.filter((target) => target !== dropped && target !== late)
  await untilRate(others, 0.9, 1.1)

  // The replica with the newest file is gone, so the file of the others counts again, and then the newest once more.
  first.child.kill('SIGKILL')
  for (const member of [second]) {
    await until(
      'the older file counts again',
      async () => (await fetch(`${member.url}/v1/services/added`)).status === 404,
    )
    await until(
      'the service of the other file is checked',
      async () => (await member.health(dropped.service)).code === 200,
    )
  }
  reload(second)
  for (const member of members.slice(1)) {
    await until('the newest file counts', async () => (await fetch(`${member.url}/v1/services/added`)).status === 200)
  }
  const wrong = (await health.stop()).filter((answer) => !answer.includes(dropped.service) && !answer.includes('added'))
  assert.deepEqual(wrong, [])
})
