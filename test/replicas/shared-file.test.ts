import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PolicySettings } from '../../src/domain/policy.ts'
import { Quorum } from '../../src/domain/quorum.ts'
import { buildService, GroupName, ServiceName, ServiceSettings } from '../../src/domain/service.ts'
import { offerFile, readOfferedFile, type SharedFile } from '../../src/replicas/shared-file.ts'

const handoverMs = 8000
const day = 86_400_000
/** Records as the code makes them. */
const plain = { noNullPrototype: true } as const

const duration = (minMs: number, maxMs: number) => fc.integer({ min: minMs, max: maxMs }).map((ms) => `${ms}ms`)
const interval = duration(100, day)
const policy = {
  interval: fc.oneof(fc.constant('off'), interval),
  timeout: duration(10, 300_000),
  rise: fc.integer({ min: 1, max: 100 }),
  fall: fc.integer({ min: 1, max: 100 }),
  fastInterval: interval,
  downInterval: interval,
  maxAge: duration(0, day),
  minAge: duration(0, day),
  close: fc.constantFrom('half-open', 'rst', 'fin'),
}
const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((text) => {
  return ServiceName.safeParse(text).success && GroupName.safeParse(text).success
})
const quorum = fc.oneof(
  fc.constantFrom('all', 'any', 1, '1'),
  fc.integer({ min: 1, max: 100 }).map((share) => `${share}%`),
)
const targets = fc.uniqueArray(
  fc.constantFrom('pg:5432', '10.0.0.5:5432', '[2001:db8::1]:5432', '[fe80::1%eth0]:1', 'Db_1.internal.:65535'),
  { minLength: 1 },
)
const settings = fc.record(
  { targets, quorum, groups: fc.array(name, { maxLength: 3 }), resolve: fc.constantFrom('first', 'all'), ...policy },
  { ...plain, requiredKeys: ['targets'] },
)
const named = <Value>(value: fc.Arbitrary<Value>) =>
  fc.uniqueArray(fc.tuple(name, value), { maxLength: 4, selector: ([name]) => name })

/** What configuration files may define, as replicas have it that read them. */
const definedFile = fc
  .record({
    services: named(settings),
    groups: named(quorum),
    defaults: fc.record(policy, { ...plain, requiredKeys: [] }),
  })
  .map(({ services, groups, defaults }): SharedFile => {
    const parsed = { ...PolicySettings.parse(defaults), handoverMs }
    return {
      services: services.map(([name, one]) => buildService(name, ServiceSettings.parse(one), parsed)),
      groups: groups.map(([name, quorum]) => ({ name, quorum: Quorum.parse(quorum) })),
      defaults: parsed,
    }
  })

/** A file out of one service. */
const fileOf = (written: object, defaults: object = {}): SharedFile => {
  const parsed = { ...PolicySettings.parse(defaults), handoverMs }
  return { services: [buildService('pg', ServiceSettings.parse(written), parsed)], groups: [], defaults: parsed }
}

test('what a file defines reads back the same on another replica: services, groups and defaults', () => {
  fc.assert(
    fc.property(definedFile, (file) => {
      assert.deepEqual(readOfferedFile(offerFile(file).text, handoverMs), file)
    }),
    { numRuns: 1000 },
  )
})

test('how long a handover takes is of the replica that reads, not of the one that offers', () => {
  const { services, defaults } = fileOf({ targets: ['pg:5432'] })
  const read = readOfferedFile(offerFile(fileOf({ targets: ['pg:5432'] })).text, 5)
  assert(typeof read !== 'string', String(read))
  assert.deepEqual(read.defaults, { ...defaults, handoverMs: 5 })
  assert.deepEqual(
    read.services.map(({ policy }) => policy),
    services.map(({ policy }) => ({ ...policy, handoverMs: 5 })),
  )
})

test('the same file has the same digest wherever it is read, and also when it is handed on', () => {
  fc.assert(
    fc.property(definedFile, (file) => {
      const offered = offerFile(file)
      assert.match(offered.digest, /^[0-9a-f]{64}$/)
      assert.deepEqual(offerFile(structuredClone(file)), offered)
      const read = readOfferedFile(offered.text, 5)
      assert(typeof read !== 'string', String(read))
      assert.deepEqual(offerFile(read), offered)
    }),
  )
})

test('files that define the same, however they are written, have the same digest; others have not', () => {
  const digest = (written: object, defaults?: object) => offerFile(fileOf(written, defaults)).digest
  const one = digest({ targets: ['a:1', 'b:1'], interval: '1m', quorum: 'all' })
  assert.equal(digest({ quorum: 'all', interval: '60s', targets: ['a:1', 'b:1'] }), one)
  assert.equal(digest({ targets: ['a:1', 'b:1'], interval: '60000ms', rise: 2 }), one)
  for (const other of [
    { targets: ['a:1', 'b:1'], interval: '61s' },
    { targets: ['a:1', 'c:1'], interval: '1m' },
    { targets: ['a:1', 'b:1'], interval: '1m', groups: ['a group'] },
    { targets: ['a:1', 'b:1'], interval: '1m', quorum: 'any' },
  ])
    assert.notEqual(digest(other), one, JSON.stringify(other))
  assert.notEqual(digest({ targets: ['a:1', 'b:1'], interval: '1m' }, { maxAge: '7s' }), one)
})

test('what cannot be read says where and why, as a sentence', () => {
  const { text } = offerFile(fileOf({ targets: ['pg:5432'], groups: ['payments'] }))
  const read = (more: object) => readOfferedFile(JSON.stringify({ ...JSON.parse(text), ...more }), handoverMs)
  const cases: [more: object, expected: RegExp][] = [
    [{ services: [['pg', { targets: ['pg:5432'], flux: 1 }]] }, /^services\.0\.1: unknown key flux: the keys are /],
    [{ services: [['pg', { targets: [] }]] }, /^services\.0\.1\.targets: no targets: write at least one host:port$/],
    [{ services: [[' ', { targets: ['pg:5432'] }]] }, /^services\.0\.0: .* is not a service name: write /],
    [{ services: 7 }, /^services: /],
    [{ groups: [['payments', 'most']] }, /^groups\.0\.1: .* is not a quorum: write all, any, /],
    [{ defaults: { timeout: '1ms' } }, /^defaults\.timeout: 1ms is out of range: write 10ms to 5m$/],
    [{ defaults: { flux: 1 } }, /^defaults: .*flux/],
    [{ groups: [['', 'any']], defaults: { rise: 0 } }, /^groups\.0\.0: .*; defaults\.rise: 0 is out of range/],
  ]
  for (const [more, expected] of cases) assert.match(String(read(more)), expected, JSON.stringify(more))
})

test('what is no JSON, as a damaged store has it, is told as well', () => {
  const { text } = offerFile(fileOf({ targets: ['pg:5432'] }))
  for (const damaged of ['', text.slice(0, -1), '\0', 'null', '[]', '7'])
    assert.equal(typeof readOfferedFile(damaged, handoverMs), 'string', damaged)
})
