/**
 * Something other than Porthole writes to Redis: a person at a console, another program, or an unknown version. Replicas stay alive or start, and
 * services that the value does not concern keep their verdicts. Once the value is removed, everything is as before.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { handoverMs } from '../../src/domain/service/policy.ts'
import { currentStatusOf } from '../../src/monitor/state/state.ts'
import type { Connection, Reply } from '../../src/redis/connection.ts'
import { type Keys, keysOf } from '../../src/redis/keys.ts'
import { fileScope, until } from '../support/process.ts'
import { noRedis, type RedisServer, startRedis } from '../support/redis-server.ts'
import { changedService, sampleService } from '../support/samples.ts'
import { type Assembled, assemble } from './assemble.ts'

const file = fileScope()
let starting: Promise<RedisServer> | undefined
let namespaces = 0

const services = ['s0', 's1'].map((name) => {
  const service = sampleService(name, ['127.0.0.1:1'], { interval: 500, timeout: 500 })
  return changedService(service, { policy: { ...service.policy, handoverMs } })
})

type Asking = (...command: string[]) => Promise<Reply>
/** Writes an odd value. Returns the command that removes it, unless Porthole has overwritten the value. */
type Write = { readonly what: string; readonly write: (ask: Asking, keys: Keys) => Promise<() => Promise<void>> }

const oddTexts = [
  ...[
    '',
    ' ',
    '5',
    '-5',
    'abc',
    'null',
    '[1]',
    '{}',
    '[[[[',
    '{"id":1}',
    '{"id":"x","at":{}}',
    '1e400',
    'nan',
    'inf',
    '-inf',
  ],
  ...[
    '9'.repeat(30),
    '8999999999999999',
    '9007199254740993',
    '99999999999999',
    '5 abc',
    '5 5',
    '5 {',
    '5 null',
    '5 [1]',
  ],
  ...[
    '9999999999999 9',
    '9999999999999 ghost 9999999999999',
    '99999999999999 abcdef',
    '5 [1,2,3]',
    '99999999999999 []',
  ],
  ...['5 [1,"up",null,null,0,null,null,5,"up",0,0,0,0,null]', '5 [1,"up",5,[["x",["y"]]]]', '\0', '\n', '1\n2 {}'],
]
const oddText = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...oddTexts) },
  fc.string({ unit: 'binary' }),
  fc.json(),
)
const oddName = fc.oneof(
  fc.constantFrom('', '..', ' x', 'ghost', 's0', 's1', 'pg', '-', '7', '255', '256', '-1', 'x'.repeat(300), '\u0007'),
  fc.string({ unit: 'binary', maxLength: 20 }),
)
const fieldsOfMeta = [
  'head',
  'revision',
  'transition',
  'after_id',
  'after_at',
  'created',
  'alive',
  'seeded',
  'forgotten',
]

const hashes = [
  'meta',
  'members',
  'leases',
  'offers',
  'declined',
  'files',
  'packed',
  'reads',
  'registrations',
  'expiries',
] as const
const others = ['expired', 'drained', 'last', 'gaps', 'health'] as const
const zsets = ['transitions', 'removed'] as const
type Hash = (typeof hashes)[number] | (typeof others)[number]

const keyOf = (keys: Keys, name: string): string =>
  name === 'health' ? keys.health('s1') : String(keys[name as Exclude<keyof Keys, 'health'>])

function writeField(name: Hash, field: string, text: string): Write {
  return {
    what: `HSET ${name} ${JSON.stringify(field)} ${JSON.stringify(text)}`,
    async write(ask, keys) {
      const key = keyOf(keys, name)
      const before = await ask('HGET', key, field)
      await ask('HSET', key, field, text)
      return async () => {
        if ((await ask('HGET', key, field)) !== text) return
        await (before === null ? ask('HDEL', key, field) : ask('HSET', key, field, String(before)))
      }
    },
  }
}

function writeMember(name: (typeof zsets)[number], member: string, score: string): Write {
  return {
    what: `ZADD ${name} ${score} ${JSON.stringify(member)}`,
    async write(ask, keys) {
      await ask('ZADD', keyOf(keys, name), score, member)
      return async () => void (await ask('ZREM', keyOf(keys, name), member))
    },
  }
}

const replaceKey = `
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('RENAME', KEYS[1], KEYS[2]) end
return redis.call(ARGV[1], KEYS[1], ARGV[2])`
const putBack = `
redis.call('DEL', KEYS[1])
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('RENAME', KEYS[2], KEYS[1]) end
return 1`

function writeKind(name: string, command: readonly string[]): Write {
  return {
    what: `${name} as ${command[0]}`,
    async write(ask, keys) {
      const key = keyOf(keys, name)
      await ask('EVAL', replaceKey, '2', key, `${key}:aside`, ...command)
      return async () => void (await ask('EVAL', putBack, '2', key, `${key}:aside`))
    },
  }
}

/** Adds an entry this many milliseconds ahead of the last one. An entry that follows the last one is recorded as the last. */
const pushOdd = `
local head = redis.call('HGET', KEYS[1], 'head')
local top = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
local last = math.max(tonumber(head), top and tonumber(string.match(top[1], '^%d+')) or 0)
local number = string.format('%.0f', last + 1 + tonumber(ARGV[1]))
if ARGV[1] == '0' then redis.call('HSET', KEYS[1], 'head', number) end
redis.call('XADD', KEYS[2], number .. '-0', 'before', head, unpack(ARGV, 2))
return number`

/** Adds an entry that follows the last one, so that replicas read it. */
function writeEntry(fields: Readonly<Record<string, string>>, isFollowing: boolean): Write {
  return {
    what: `XADD ${JSON.stringify(fields)}${isFollowing ? '' : ' out of order'}`,
    async write(ask, keys) {
      const hour = isFollowing ? '0' : '3600000'
      const added = await ask('EVAL', pushOdd, '2', keys.meta, keys.stream, hour, ...Object.entries(fields).flat())
      const number = String(added)
      return async () => void (await ask('XDEL', keys.stream, `${number}-0`))
    },
  }
}

const entry = fc.record(
  {
    kind: fc.constantFrom(
      'health',
      'health',
      'put',
      'renewed',
      'expired',
      'removed',
      'drained',
      'members',
      'log',
      'poem',
    ),
    replica: fc.constant('x'),
    records: fc.oneof(
      fc.constantFrom('[1]', '[[]]', '[["s0"]]', '[["s0",5]]', '[["s0",[5]]]', '[["s0",[["127.0.0.1:1",[1]]]]]', '{'),
      fc.json(),
    ),
    transitions: fc.oneof(fc.constantFrom('null', '[5]', '[null]', '[{"id":8999999999999999}]', '{}'), fc.json()),
    name: oddName,
    revision: oddText,
    definition: oddText,
    at: oddText,
    drained: oddText,
    expired: oddText,
  },
  { requiredKeys: ['kind', 'replica'], noNullPrototype: true },
)

const field = (name: Hash) =>
  (name === 'meta' ? fc.constantFrom(...fieldsOfMeta) : oddName).chain((one) =>
    oddText.map((text) => writeField(name, one, text)),
  )
const few = <Value>(one: fc.Arbitrary<Value>) => fc.array(one, { minLength: 3, maxLength: 3 })

/** Returns odd values: for each key some fields or members and another type, and some entries of the stream. */
const plan: fc.Arbitrary<Write[][]> = fc
  .tuple(
    fc.tuple(...[...hashes, ...others].map((name) => few(field(name)))),
    fc.tuple(
      ...zsets.map((name) =>
        few(
          fc
            .tuple(oddText, fc.constantFrom('0', '1', '-5', 'inf', '-inf', '1764633600000000', '8e15'))
            .map(([text, score]) => writeMember(name, text, score)),
        ),
      ),
    ),
    few(few(fc.tuple(entry, fc.boolean()).map(([fields, isFollowing]) => writeEntry(fields, isFollowing)))),
    fc.tuple(
      ...[...hashes, ...others, ...zsets, 'stream'].map((name) =>
        fc.constantFrom(['SET', 'x'], ['RPUSH', 'x'], ['SADD', 'x']).map((command) => [writeKind(name, command)]),
      ),
    ),
  )
  .map((parts) => parts.flat())

const isUp = ({ monitor, clock }: Assembled, names: readonly string[]) =>
  names.every((name) => {
    const service = monitor.services.get(name)
    return service !== undefined && currentStatusOf(service, clock.now()).status === 'up'
  })

/** An odd value about a service affects at most the verdict of this service. */
const unaffected = ['s0']

/** Starts two replicas in a namespace of their own. Returns a function that writes a group of odd values. */
async function prepare(t: TestContext, writes: readonly Write[]): Promise<() => Promise<void>> {
  starting ??= startRedis(file)
  const { url, connect } = await starting
  const namespace = `odd-${++namespaces}`
  const keys = keysOf(namespace)
  const connection: Connection = await connect()
  const ask: Asking = async (...command) => {
    const answer = await connection.send(command, 10_000)
    assert.ok(answer.ok, `${command.join(' ')}: ${JSON.stringify(answer)}`)
    return answer.value
  }
  const begin = () => assemble(t, { url, namespace, services })
  const pair = await Promise.all([begin(), begin()])
  const [one] = pair
  await until('a service is registered', async () => {
    return (await one.registrar.put('pg', { targets: [...(services[0]?.targets ?? [])] }, {})).ok
  })
  await until('everything is up', async () => pair.every((replica) => isUp(replica, ['s0', 's1', 'pg'])))
  return () => tryOut(writes, { ask, keys, pair, begin })
}

async function tryOut(
  writes: readonly Write[],
  { ask, keys, pair, begin }: { ask: Asking; keys: Keys; pair: readonly Assembled[]; begin: () => Promise<Assembled> },
): Promise<void> {
  const what = writes.map((one) => one.what).join('; ')
  const undo = []
  for (const one of writes) undo.push(await one.write(ask, keys))
  // The replica does each of its recurring tasks once: it renews, publishes, reads the log, and sends a heartbeat.
  const written = performance.now()
  await until(`two renewals have passed after ${what}`, async () => {
    for (const replica of pair) assert.ok(isUp(replica, unaffected), `${what}: a verdict is lost`)
    return performance.now() - written > 2500
  })
  const third = await begin()
  await until(`a replica that starts finds out what is up after ${what}`, async () => isUp(third, unaffected))

  for (const one of undo.reverse()) await one()
  const all = [...pair, third]
  const isAsBefore = async () =>
    all.every((replica) => isUp(replica, ['s0', 's1', 'pg']) && replica.unreadable.count() === 0) &&
    all.every(({ replica }) => replica.replicaStatus().mode === 'linked' && replica.replicaStatus().failure === null) &&
    all.reduce((sum, { replica }) => sum + replica.replicaStatus().shards, 0) === 256
  await until(`all is as before, after ${what}`, isAsBefore).catch((error) => {
    const standings = all.map(({ replica, unreadable, monitor }) => [
      replica.replicaStatus(),
      ['kept', 'registrations', 'leases', 'health', 'stream', 'file'].map((part) =>
        unreadable.entriesOf(part as 'kept'),
      ),
      [...monitor.services.keys()],
    ])
    throw new Error(`${error.message}: ${JSON.stringify(standings)}`)
  })
  await Promise.all(all.map(({ stop }) => stop()))
}

test('whatever value is written to any key, replicas run and start, verdicts stay, and its removal restores everything', {
  skip: noRedis,
}, async (t) => {
  const seed = Number(process.env.PORTHOLE_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31))
  t.diagnostic(`PORTHOLE_FUZZ_SEED=${seed}`)
  const [groups = []] = fc.sample(plan, { seed, numRuns: 1 })
  // Two groups share a namespace, because starting replicas takes time.
  const cases = groups.flatMap((writes, at) => (at % 2 === 0 ? [[...writes, ...(groups[at + 1] ?? [])]] : []))
  // Only some at a time, because a start has deadlines.
  const trials: (() => Promise<void>)[] = []
  for (let at = 0; at < cases.length; at += 8)
    trials.push(...(await Promise.all(cases.slice(at, at + 8).map((writes) => prepare(t, writes)))))
  const results = await Promise.allSettled(trials.map((trial) => trial()))
  const failures = results.flatMap((result) => (result.status === 'rejected' ? [String(result.reason.message)] : []))
  assert.deepEqual(failures, [], `with PORTHOLE_FUZZ_SEED=${seed}`)
})
