import assert from 'node:assert/strict'
import { test } from 'node:test'
import { handoverMs } from '../../../src/domain/service/policy.ts'
import { keysOf } from '../../../src/redis/keys.ts'
import { createConfigurationOffers } from '../../../src/replicas/config/configuration-offers.ts'
import { mostPacked, packText, unpackText } from '../../../src/replicas/config/packed-file.ts'
import { offerConfiguration, type SharedConfiguration } from '../../../src/replicas/config/shared-configuration.ts'
import type { RedisConnector } from '../../../src/replicas/redis-connector.ts'
import { fakeClock } from '../../monitor/fakes.ts'
import { sampleService } from '../../support/samples.ts'

const fileOf = (...names: string[]): SharedConfiguration => ({
  services: names.map((name) => sampleService(name, [`${name}:1`])),
  groups: [],
  defaults: { handoverMs },
})

/** The definitions of a file in a store: the packed text, or only the text of an older version. */
type Offered = { readonly packed?: string; readonly text?: string }

/** The offers of one replica. The store has these files by their digests, and answers once it is `ready`. */
function start(kept: ReadonlyMap<string, Offered> = new Map(), ready: Promise<void> = Promise.resolve()) {
  const clock = fakeClock()
  const keys = keysOf('test')
  const applied: string[] = []
  const changes: boolean[] = []
  const problems: string[] = []
  const given: string[] = []
  /** The definitions in force, each time that `onSettled` was called. */
  const settled: string[] = []
  const find = (key = '', digest = '') => (key === keys.packed ? kept.get(digest)?.packed : kept.get(digest)?.text)
  const redisConnector = {
    async send([command, key, digest]) {
      assert.equal(command, 'HSTRLEN')
      return { ok: true, value: find(key, digest)?.length ?? 0 }
    },
    bulk: {
      async run(_script, _keys, [digest, packed, text]) {
        const unpacked = await unpackText(String(packed))
        given.push(`${digest} ${unpacked.ok && unpacked.value}${text === '' ? '' : `, and as text ${text}`}`)
        return { ok: true, value: 0 }
      },
      async send([command, key, digest]) {
        assert.equal(command, 'HGET')
        await ready
        return { ok: true, value: find(key, digest) ?? null }
      },
    },
  } as RedisConnector
  const offers = createConfigurationOffers({
    redisConnector,
    keys,
    clock,
    handoverMs,
    known: new Map(),
    apply: async ({ services }) => void applied.push(services.map(({ name }) => name).join()),
    onChange: (isOwn) => changes.push(isOwn),
    onForeign: () => {},
    onSettled: () => settled.push(applied.at(-1) ?? ''),
    onProblem: (problem) => problems.push(problem),
  })
  return { clock, offers, applied, changes, problems, given, settled }
}

const other = await offerConfiguration(fileOf('other'))
const otherKept = new Map([[other.digest, { packed: await packText(other.text) }]])
const ownOffered = await offerConfiguration(fileOf('own'))

test("a replica's own file is in force at once, and each renewal names it and its load time", async () => {
  const { clock, offers, applied } = start()
  assert.deepEqual(offers.own(), { digest: '-', loadedAt: 0 })
  clock.advance(500)
  await offers.offer(fileOf('own'))
  const loadedAt = clock.toEpoch(clock.now())
  clock.advance(500)
  assert.deepEqual(offers.own(), { digest: ownOffered.digest, loadedAt })
  assert.deepEqual(applied, ['own'])
})

test('stores its own file if the store lacks it, and applies the file that counts', async () => {
  const { offers, applied, changes, given } = start(otherKept)
  await offers.offer(fileOf('own'))
  const { digest } = offers.own()
  await offers.startApplying({ digest, hasOwn: false, needsText: false })
  assert.deepEqual(given, [`${digest} ${ownOffered.text}`])
  await offers.startApplying({ digest: other.digest, hasOwn: true, needsText: false })
  await offers.startApplying({ digest: other.digest, hasOwn: true, needsText: false })
  await offers.startApplying({ digest, hasOwn: true, needsText: false })
  assert.deepEqual(applied, ['own', 'other', 'own'])
  assert.deepEqual(changes, [false, true])
  assert.equal(given.length, 1)
})

test('the file in force stays while no file counts, or while the store lacks the one that counts', async () => {
  const { offers, applied } = start()
  await offers.offer(fileOf('own'))
  await offers.startApplying({ digest: '', hasOwn: true, needsText: false })
  await offers.startApplying({ digest: 'not-there-yet', hasOwn: true, needsText: false })
  assert.deepEqual(applied, ['own'])
})

test('reports once that it cannot read the file that counts, and keeps its own', async () => {
  const { offers, applied, problems } = start(
    new Map([
      ['newer', { packed: await packText('{"format":2,"groups":[],"defaults":{}}\n["a",{"targets":["a:1"]}]') }],
    ]),
  )
  await offers.offer(fileOf('own'))
  for (let i = 0; i < 3; i++) await offers.startApplying({ digest: 'newer', hasOwn: true, needsText: false })
  assert.deepEqual(applied, ['own'])
  assert.equal(problems.length, 1)
  assert.match(
    problems[0] ?? '',
    /cannot read another replica's configuration, and keeps the one in force: format: it has format 2, and this version reads 1$/,
  )
})

test('a solo replica uses its own file', async () => {
  const { offers, applied } = start(otherKept)
  await offers.offer(fileOf('own'))
  await offers.startApplying({ digest: other.digest, hasOwn: true, needsText: false })
  offers.goSolo()
  offers.goSolo()
  assert.deepEqual(applied, ['own', 'other', 'own'])
})

test("another replica's file that is still being read is discarded when the replica goes solo or loads a file", async () => {
  const told = Promise.withResolvers<void>()
  const { offers, applied } = start(otherKept, told.promise)
  await offers.offer(fileOf('own'))
  const alone = offers.startApplying({ digest: other.digest, hasOwn: true, needsText: false })
  offers.goSolo()
  told.resolve()
  await alone
  const [following] = [
    offers.startApplying({ digest: other.digest, hasOwn: true, needsText: false }),
    await offers.offer(fileOf('newer')),
  ]
  await following
  assert.deepEqual(applied, ['own', 'newer'])
})

test('stores the text as well while a replica of an older version is live, and reads the text of that replica', async () => {
  const { offers, applied, given } = start(new Map([[other.digest, { text: other.text }]]))
  await offers.offer(fileOf('own'))
  const { digest } = offers.own()
  await offers.startApplying({ digest: other.digest, hasOwn: false, needsText: true })
  assert.deepEqual(given, [`${digest} ${ownOffered.text}, and as text ${ownOffered.text}`])
  assert.deepEqual(applied, ['own', 'other'])
})

test('text that the first version packed stays readable', async () => {
  const packed = 'gzip H4sIAAAAAAAAA6tWSssvyk0sUbIyrOUCAFiQfW0NAAAA'
  assert.deepEqual(await unpackText(packed), { ok: true, value: '{"format":1}\n' })
})

const bomb = await packText('x'.repeat(300 * 1024 * 1024))

for (const { what, packed, says } of [
  {
    what: 'is in a form of a newer version',
    packed: 'zstd AAAA',
    says: /it is in the form "zstd", and this version reads gzip$/,
  },
  { what: 'has no form', packed: 'AAAA', says: /it is in the form "", and this version reads gzip$/ },
  {
    what: 'is damaged',
    packed: (await packText(other.text)).slice(0, -12),
    says: /it cannot be decompressed: unexpected end of file$/,
  },
  { what: 'is not compressed text', packed: 'gzip AAAA', says: /it cannot be decompressed: / },
  {
    what: 'is too large once decompressed',
    packed: bomb,
    says: /it cannot be decompressed: Cannot create a Buffer larger than \d+ bytes$/,
  },
  {
    what: 'is too large even compressed',
    packed: `gzip ${'A'.repeat(mostPacked)}`,
    says: /it has more than 67108864 characters$/,
  },
]) {
  test(`reports once that it cannot read a file that ${what}, and keeps its own`, async () => {
    const { offers, applied, problems } = start(new Map([['odd', { packed }]]))
    await offers.offer(fileOf('own'))
    for (let i = 0; i < 2; i++) await offers.startApplying({ digest: 'odd', hasOwn: true, needsText: false })
    assert.deepEqual(applied, ['own'])
    assert.equal(problems.length, 1)
    assert.match(problems[0] ?? '', says)
  })
}
