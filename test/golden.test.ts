/**
 * Compares everything that is stored, or sent from one replica to another, with golden files, because older and newer versions of Porthole have
 * to read it. A change of these files is a change of a format. Change a format only by adding: at the end of a list, as a new field, or as a
 * step of the schema.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { RegistrationSettings, writeRegistration } from '../src/domain/service/registration.ts'
import { buildService, ServiceSettings } from '../src/domain/service/service.ts'
import { type Connection, connectRedis, type Reply } from '../src/redis/connection.ts'
import { keysOf } from '../src/redis/keys.ts'
import { packedForm } from '../src/replicas/config/packed-file.ts'
import { offerConfiguration } from '../src/replicas/config/shared-configuration.ts'
import { offerScript } from '../src/replicas/lease/lease-script.ts'
import { writeService, writeTarget } from '../src/replicas/replication/health-codec.ts'
import { seededScript, seedScript } from '../src/replicas/replication/health-script.ts'
import { createRequests } from '../src/replicas/requests.ts'
import { createSharedClock } from '../src/replicas/shared-clock.ts'
import { createRedisStore } from '../src/store/redis/redis.ts'
import { openSqliteStore } from '../src/store/sqlite/sqlite.ts'
import type { Store, StoredTransition } from '../src/store/store.ts'
import { createFolder } from './support/process.ts'
import { noRedis, startRedis } from './support/redis-server.ts'
import { sampleOutcome } from './support/samples.ts'

const retention = { maxCount: 1000, maxAgeMs: 1e12 }
/** The time of day of all events in these tests, in milliseconds since the epoch: 2026-12-01T00:00:00Z. */
const day = Date.UTC(2026, 11, 1)
const clock = {
  now: () => 0,
  toEpoch: (instant: number) => day + instant,
  fromEpoch: (epochMs: number) => epochMs - day,
}

function assertGolden(name: string, text: string): void {
  const file = join(import.meta.dirname, 'golden', name)
  if (process.env.PORTHOLE_WRITE_GOLDEN !== undefined) {
    writeFileSync(file, text)
    return
  }
  assert.equal(
    text,
    readFileSync(file, 'utf8'),
    `the format in test/golden/${name} has changed, which other versions of Porthole read. If they can read it still, write it with: PORTHOLE_WRITE_GOLDEN=1 npx -c 'node --test test/golden.test.ts'`,
  )
}

const settings = RegistrationSettings.parse({
  targets: ['10.0.0.5:5432', 'pg.internal:5432', '[2001:db8::1]:5432'],
  quorum: '50%',
  groups: ['payments', 'a group'],
  resolve: 'all',
  interval: '7s',
  timeout: '3s',
  rise: 4,
  fall: 5,
  fastInterval: '600ms',
  downInterval: '70s',
  maxAge: '8s',
  minAge: '90ms',
  close: 'fin',
  lookupHold: '10m',
  hold: '11s',
  ttl: '1m',
  expireAfter: '5m',
})

const transitions: StoredTransition[] = [
  {
    id: day * 1000 + 1,
    service: 'pg',
    target: '10.0.0.5:5432',
    from: 'unknown',
    to: 'down',
    at: day + 5,
    reason: 'refused',
    message: 'nothing listens on 10.0.0.5:5432 (RST in 0.10 ms)',
  },
  {
    id: day * 1000 + 2,
    service: 'pg',
    target: null,
    from: 'unknown',
    to: 'down',
    at: day + 5.5,
    reason: 'refused',
    message: '0 of 1 targets up',
  },
]

/** Writes one entry of each kind to a store. */
async function fill(store: Store): Promise<void> {
  const done = async (wish: Promise<{ readonly ok: boolean }>) => assert.ok((await wish).ok)
  const definition = writeRegistration(settings)
  await done(store.put('pg', definition, {}, settings.ttl))
  await done(store.put('pg', definition, {}, settings.ttl))
  await done(store.put('gone', '{"targets":["10.0.0.9:80"]}', {}))
  await done(store.remove('gone', {}))
  for (const [name, step] of [
    ['expired', 'expire'],
    ['over', 'deregister'],
  ] as const) {
    const put = await store.put(name, '{"targets":["10.0.0.8:80"],"ttl":"1s"}', {}, 0)
    assert.ok(put.ok && put.value.done)
    await done(store.setDrained(name, true))
    await done(store.expire(name, put.value.registration.revision, step))
  }
  await done(store.setDrained('pg', true))
  await done(store.setDrained('web', true))
  await done(store.setDrained('web', false))
  await done(store.append(transitions, false))
  await done(store.addGap({ from: day - 2000, to: day - 1000 }))
  await done(store.heartbeat(day + 9))
}

/** Removes from a dump the numbers that differ between runs, because they count from the epoch. */
const steady = (text: string) => text.replace(/\d{13,}(\.\d+)?/g, 'TIME')

test('the files of SQLite match the golden file', async (t) => {
  const directory = createFolder(t)
  const opened = await openSqliteStore({ directory, retention, since: day })
  assert(opened.ok)
  await fill(opened.value)
  await opened.value.close()
  const db = new DatabaseSync(join(directory, 'porthole.db'), { readOnly: true })
  const pragmas = ['application_id', 'user_version'].map(
    (name) => `${name} ${Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})}`,
  )
  const entries = db.prepare('SELECT name, type, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name').all()
  const tables = entries.filter(({ type }) => type === 'table').map(({ name }) => String(name))
  const rows = tables.flatMap((table) =>
    db
      .prepare(`SELECT * FROM ${table}`)
      .all()
      .map((row) => `${table} ${JSON.stringify(row)}`),
  )
  db.close()
  const schema = entries.map(({ sql }) => String(sql).replace(/\s+/g, ' '))
  assertGolden('sqlite.txt', steady(`${[...pragmas, ...schema, ...rows].join('\n')}\n`))
})

/** Returns every key with its type and its content in a fixed order. */
async function dump(connection: Connection): Promise<string> {
  const ask = async (...command: string[]): Promise<Reply> => {
    const answer = await connection.send(command)
    assert.ok(answer.ok, JSON.stringify(answer))
    return answer.value
  }
  const lines: string[] = []
  for (const key of ((await ask('KEYS', '*')) as string[]).sort((a, b) => (a < b ? -1 : 1))) {
    const type = String(await ask('TYPE', key))
    lines.push(`${type} ${key}${Number(await ask('PTTL', key)) > 0 ? ' (expires)' : ''}`)
    if (type === 'stream') {
      const entries = (await ask('XRANGE', key, '-', '+')) as [string, string[]][]
      lines.push(...entries.map(([id, fields]) => `  ${id}: ${JSON.stringify(fields)}`))
      continue
    }
    const flat = (await (type === 'hash'
      ? ask('HGETALL', key)
      : ask('ZRANGE', key, '0', '-1', 'WITHSCORES'))) as string[]
    const pairs = flat.flatMap((name, i) =>
      i % 2 === 0 ? [`  ${JSON.stringify(name)}: ${JSON.stringify(flat[i + 1])}`] : [],
    )
    lines.push(...pairs.sort((a, b) => a.localeCompare(b)))
  }
  return `${lines.join('\n')}\n`
}

test('the keys of Redis and the entries of its stream match the golden file', { skip: noRedis }, async (t) => {
  const { url } = await startRedis(t)
  const connection = await connectRedis({ url, passwordFile: null }, 'any')
  assert(typeof connection !== 'string', String(connection))
  t.after(() => connection.close())
  const keys = keysOf('default')
  const { run, send } = connection
  await fill(createRedisStore({ run, send, keys, retention, now: () => day }))

  const link = {
    run,
    send,
    open: async () => 'there is one connection',
    refusal: () => null,
    caughtUp: async () => {},
    advance: () => {},
  }
  const requests = createRequests({
    id: 'replica-1',
    redisConnector: link,
    keys,
    clock: createSharedClock(clock),
    retention,
  })
  const offered = await offerConfiguration({ services: [], groups: [], defaults: {} })
  const file = { digest: offered.digest, loadedAt: day }
  await requests.renew({ attempt: 1, isMember: true, shards: [0, 1], declined: [7, 9] }, file)
  const granted = await requests.renew({ attempt: 2, isMember: true, shards: [0, 1], declined: [7, 9] }, file)
  // The compressed bytes may differ between versions of zlib. The tests of the shared configuration check that it can be read.
  const input = [offered.digest, `${packedForm} BASE64`, offered.text]
  await run(offerScript, [keys.meta, keys.stream, keys.packed, keys.files], input)
  const published = await requests.publish([
    {
      service: 'pg',
      shard: 0,
      fencingToken: granted?.grant.tokens.get(0) ?? null,
      records: [
        { field: '', base: 0, snapshot: '[1,"down",5,[]]' },
        { field: '10.0.0.5:5432', base: 0, snapshot: '[1,"up"]' },
      ],
      gone: ['10.0.0.6:5432'],
      transitions: transitions.map(({ id: _, at, ...transition }) => ({ ...transition, at: at - day })),
    },
  ])
  assert.deepEqual(published?.results, ['accepted'])
  await run(seedScript, [keys.meta], ['replica-1', day * 1000, day])
  await run(seededScript, [keys.meta, keys.stream], [])
  assertGolden('redis.txt', steady(await dump(connection)))
})

test('the health that replicas publish matches the golden file', () => {
  const outcome = sampleOutcome('rejected', 1000, {
    address: '10.0.0.5:5432',
    latencyMs: 1.25,
    synRetransmits: 1,
    answer: 'icmp',
    icmp: { version: 4, type: 3, code: 13, from: '10.0.0.1' },
    code: 'EHOSTUNREACH',
  })
  const health = {
    status: 'up' as const,
    since: 10,
    streak: { verdict: 'down' as const, count: 2 },
    confirmedAt: 1000,
    lastOutcome: outcome,
    downReason: 'rejected' as const,
  }
  const seen = { emittedStatus: 'up' as const, checks: 9, failures: 2, connectMs: 13.5, synRetransmits: 1, lossAt: 900 }
  const counters = { ...seen, lookupTotalMs: 0, slowLookupAt: null }
  const ofName = { ...outcome, note: '10.0.0.6:5432: no answer in 2.0 s', lookupMs: 2.5, lookupFailedSince: 20 }
  const addresses = new Map([['pg.internal:5432', ['10.0.0.5', '2001:db8::1']]])
  const lines = [
    writeTarget({ health, ...counters }, clock),
    writeTarget({ health: { ...health, lastOutcome: null, streak: null }, ...counters }, clock),
    writeTarget(
      { health: { ...health, lastOutcome: ofName }, ...counters, lookupTotalMs: 7.5, slowLookupAt: 30 },
      clock,
    ),
    writeService({ emittedStatus: 'degraded', emittedAt: 7, addresses }, clock),
  ]
  assertGolden('health.txt', `${lines.join('\n')}\n`)
})

test('the shared configuration and the text of a registration match the golden file', async () => {
  const { ttl: _, expireAfter: __, ...own } = settings
  const services = [
    buildService('pg', own),
    buildService('web', ServiceSettings.parse({ targets: ['10.0.0.7:80'], interval: 'off' })),
  ]
  const defaults = { interval: 3000, timeout: 500, close: 'rst' as const }
  const { text } = await offerConfiguration({ services, groups: [{ name: 'payments', quorum: 2 }], defaults })
  assertGolden('shared-file.txt', `${text}\n`)
  assertGolden('registration.txt', `${writeRegistration(settings)}\n`)
})
