/** Redis answers but rejects commands. The replica reports the words of Redis, goes solo, and returns once Redis accepts commands again. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../../support/process.ts'
import { noRedis, type RedisServer, startRedis } from '../../support/redis-server.ts'
import { change, startMember } from './fleet.ts'

type Case = {
  readonly name: string
  readonly args?: readonly string[]
  /** Makes Redis reject commands. */
  readonly begin: (send: (...command: string[]) => Promise<string>) => Promise<unknown>
  /** Makes Redis accept commands again. */
  readonly end: (send: (...command: string[]) => Promise<string>) => Promise<unknown>
  readonly words: RegExp
}

const cases: readonly Case[] = [
  {
    name: 'is made a replica of another Redis that is away',
    begin: (send) => send('REPLICAOF', '127.0.0.1', '1'),
    end: (send) => send('REPLICAOF', 'NO', 'ONE'),
    words:
      /says "READONLY You can't write against a read only replica[^"]*": it is a replica .* name the primary in replicas\.redis/,
  },
  {
    name: 'has no memory left',
    begin: (send) => send('CONFIG', 'SET', 'maxmemory', '1mb'),
    end: (send) => send('CONFIG', 'SET', 'maxmemory', '0'),
    words: /says "OOM command not allowed when used memory > 'maxmemory'[^"]*": its memory is full: raise maxmemory/,
  },
  {
    name: 'cannot save to its disk',
    args: ['--enable-protected-configs', 'yes'],
    async begin(send) {
      await send('CONFIG', 'SET', 'save', '3600 1')
      // Not even root can write there.
      await send('CONFIG', 'SET', 'dir', '/proc')
      await send('BGSAVE')
      await until('it fails', async () => (await send('INFO', 'persistence')).includes('rdb_last_bgsave_status:err'))
    },
    end: (send) => send('CONFIG', 'SET', 'save', ''),
    words: /says "MISCONF Redis is configured to save RDB snapshots[^"]*": it cannot save to its disk/,
  },
  {
    name: 'takes a permission from the user',
    begin: (send) => send('ACL', 'SETUSER', 'default', '-hset'),
    end: (send) => send('ACL', 'SETUSER', 'default', '+hset'),
    words:
      /says "(NOPERM|ERR The user executing the script can't run) [^"]*": Porthole's user lacks a permission: .*ACL SETUSER/,
  },
]

async function startCase(t: TestContext, args: readonly string[] = []) {
  const redis = await startRedis(t, args)
  const connection = await redis.connect()
  const send = async (...command: string[]) => {
    const answer = await connection.send(command, 60_000)
    assert.ok(answer.ok, JSON.stringify(answer))
    return String(answer.value)
  }
  const services = { one: { targets: [`127.0.0.1:${redis.port}`], interval: '1s' } }
  const member = await startMember(t, { shutdownDelay: '0s', services, replicas: { redis: redis.url } })
  assert.equal(await member.mode(), 'linked')
  return { redis, send, member }
}

for (const { name, args, begin, end, words } of cases) {
  test(`Redis ${name}: the log, /readyz, sets and rejected changes quote its error`, {
    skip: noRedis,
  }, async (t) => {
    const { send, member } = await startCase(t, args)
    await begin(send)
    const { msg } = await member.logged(/^solo: /)
    assert.match(msg, words)
    // The replica tries again twice a second, and Redis rejects each attempt.
    for (let time = 0; time < 3; time++) {
      const ready = await fetch(`${member.url}/readyz?verbose`)
      assert.equal(ready.status, 200)
      const line = (await ready.text()).split('\n').find((one) => one.includes('replica')) ?? ''
      assert.match(line, /^\[\+\]replica ok, solo: /)
      assert.match(line, words)
      const refused = await change(member, 'PUT', '/services/new', { targets: ['127.0.0.1:1'] })
      assert.equal(refused.status, 503)
      const { detail } = (await refused.json()) as { detail: string }
      assert.match(detail, words)
      assert.match(detail, /^Nothing was changed|^Porthole does not know whether that was changed/)
      const { warnings } = (await (await fetch(`${member.url}/health`)).json()) as { warnings: string[] }
      assert.match(warnings.join(), /^solo: /)
      assert.match(warnings.join(), words)
      await sleep(300)
    }
    await end(send)
    const { length } = member.lines
    await member.logged(/^linked: /, length)
    const ready = await (await fetch(`${member.url}/readyz?verbose`)).text()
    assert.match(ready, /^\[\+\]replica ok$/m)
    assert.equal((await change(member, 'PUT', '/services/new', { targets: ['127.0.0.1:1'] })).status, 201)
  })
}

test('while Redis loads its data from the disk a replica says so, and it is linked after that', {
  skip: noRedis,
}, async (t) => {
  const args = [
    '--enable-debug-command',
    'yes',
    '--loading-process-events-interval-bytes',
    '1024',
    '--rdbcompression',
    'no',
  ]
  const { redis, send, member } = await startCase(t, args)
  for (let i = 0; i < 80; i++) await send('SET', `filler-${i}`, 'x'.repeat(2000))
  await send('CONFIG', 'SET', 'key-load-delay', '100000')
  const { done } = await reload(redis)
  await member.logged(/^solo: /)
  const words = /says "LOADING Redis is loading the dataset in memory": it is loading its data from the disk/
  await until('/readyz says so', async () => words.test(await (await fetch(`${member.url}/readyz?verbose`)).text()))
  const { length } = member.lines
  await done
  await member.logged(/^linked: /, length)
})

/** Makes Redis save its data, forget them and load them again. `done` resolves at the end. */
async function reload(redis: RedisServer): Promise<{ done: Promise<unknown> }> {
  const connection = await redis.connect()
  return { done: connection.send(['DEBUG', 'RELOAD'], 60_000) }
}
