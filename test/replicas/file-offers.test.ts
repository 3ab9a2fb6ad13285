import assert from 'node:assert/strict'
import { test } from 'node:test'
import { handoverMs } from '../../src/domain/policy.ts'
import { keysOf } from '../../src/redis/keys.ts'
import { createFileOffers } from '../../src/replicas/file-offers.ts'
import type { Link } from '../../src/replicas/link.ts'
import { offerFile, type SharedFile } from '../../src/replicas/shared-file.ts'
import { fakeClock } from '../monitor/fakes.ts'
import { sampleService } from '../samples.ts'

const fileOf = (...names: string[]): SharedFile => ({
  services: names.map((name) => sampleService(name, [`${name}:1`])),
  groups: [],
  defaults: { handoverMs },
})

/** The offers of one replica, over a store that has these files, and tells them once it is `ready`. */
function start(kept: ReadonlyMap<string, string> = new Map(), ready: Promise<void> = Promise.resolve()) {
  const clock = fakeClock()
  const applied: string[] = []
  const changes: boolean[] = []
  const problems: string[] = []
  const given: string[] = []
  /** What was in force, each time that the file that counts was. */
  const settled: string[] = []
  const link = {
    run: async (_script, _keys, [digest, text]) => {
      given.push(`${digest} ${text}`)
      return { ok: true, value: 0 }
    },
    async send([, , digest = '']) {
      await ready
      return { ok: true, value: kept.get(digest) ?? null }
    },
  } as Link
  const offers = createFileOffers({
    link,
    keys: keysOf('test'),
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

const other = await offerFile(fileOf('other'))
const ownOffered = await offerFile(fileOf('own'))

test("a replica's own file is in force at once, and is told of with when it was loaded", async () => {
  const { clock, offers, applied } = start()
  assert.deepEqual(offers.own(), { digest: '-', loadedAt: 0 })
  clock.advance(500)
  await offers.offer(fileOf('own'))
  const loadedAt = clock.toEpoch(clock.now())
  clock.advance(500)
  assert.deepEqual(offers.own(), { digest: ownOffered.digest, loadedAt })
  assert.deepEqual(applied, ['own'])
})

test('gives the store its own where that is missing, and puts in force what counts', async () => {
  const { offers, applied, changes, given } = start(new Map([[other.digest, other.text]]))
  await offers.offer(fileOf('own'))
  const { digest } = offers.own()
  await offers.follow({ digest, hasOwn: false })
  assert.deepEqual(given, [`${digest} ${ownOffered.text}`])
  await offers.follow({ digest: other.digest, hasOwn: true })
  await offers.follow({ digest: other.digest, hasOwn: true })
  await offers.follow({ digest, hasOwn: true })
  assert.deepEqual(applied, ['own', 'other', 'own'])
  assert.deepEqual(changes, [false, true])
  assert.equal(given.length, 1)
})

test('keeps what is in force where none counts yet, or what counts was not told yet', async () => {
  const { offers, applied } = start()
  await offers.offer(fileOf('own'))
  await offers.follow({ digest: '', hasOwn: true })
  await offers.follow({ digest: 'not-there-yet', hasOwn: true })
  assert.deepEqual(applied, ['own'])
})

test('says once that it cannot read what counts, and keeps its own', async () => {
  const { offers, applied, problems } = start(
    new Map([['newer', '{"format":2,"groups":[],"defaults":{}}\n["a",{"targets":["a:1"]}]']]),
  )
  await offers.offer(fileOf('own'))
  for (let i = 0; i < 3; i++) await offers.follow({ digest: 'newer', hasOwn: true })
  assert.deepEqual(applied, ['own'])
  assert.equal(problems.length, 1)
  assert.match(
    problems[0] ?? '',
    /cannot be read here, so this one's own stays in force: format: it has format 2, and this version reads 1$/,
  )
})

test("alone, a replica's own file is in force", async () => {
  const { offers, applied } = start(new Map([[other.digest, other.text]]))
  await offers.offer(fileOf('own'))
  await offers.follow({ digest: other.digest, hasOwn: true })
  offers.goSolo()
  offers.goSolo()
  assert.deepEqual(applied, ['own', 'other', 'own'])
})

test("another replica's file that is still being read gives way to what happens meanwhile", async () => {
  const told = Promise.withResolvers<void>()
  const { offers, applied } = start(new Map([[other.digest, other.text]]), told.promise)
  await offers.offer(fileOf('own'))
  const alone = offers.follow({ digest: other.digest, hasOwn: true })
  offers.goSolo()
  told.resolve()
  await alone
  const [following] = [offers.follow({ digest: other.digest, hasOwn: true }), await offers.offer(fileOf('newer'))]
  await following
  assert.deepEqual(applied, ['own', 'newer'])
})
