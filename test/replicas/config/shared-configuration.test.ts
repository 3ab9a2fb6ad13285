import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { type PolicyFieldName, PolicySettings } from '../../../src/domain/service/policy-settings.ts'
import { Quorum } from '../../../src/domain/service/quorum.ts'
import {
  buildService,
  GroupName,
  makeService,
  partsOf,
  ServiceName,
  ServiceSettings,
} from '../../../src/domain/service/service.ts'
import {
  offerConfiguration,
  readOfferedConfiguration,
  type SharedConfiguration,
} from '../../../src/replicas/config/shared-configuration.ts'

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
  lookupHold: duration(0, 30 * day),
  hold: duration(0, day),
} satisfies Record<PolicyFieldName, fc.Arbitrary<unknown>>
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

/** The definitions of configuration files, as replicas have parsed them. */
const definedFile = fc
  .record({
    services: named(settings),
    groups: named(quorum),
    defaults: fc.record(policy, { ...plain, requiredKeys: [] }),
  })
  .map(({ services, groups, defaults }): SharedConfiguration => {
    const parsed = { ...PolicySettings.parse(defaults), handoverMs }
    return {
      services: services.map(([name, one]) => buildService(name, ServiceSettings.parse(one), parsed)),
      groups: groups.map(([name, quorum]) => ({ name, quorum: Quorum.parse(quorum) })),
      defaults: parsed,
    }
  })

/** A file with one service. */
const fileOf = (written: object, defaults: object = {}): SharedConfiguration => {
  const parsed = { ...PolicySettings.parse(defaults), handoverMs }
  return { services: [buildService('pg', ServiceSettings.parse(written), parsed)], groups: [], defaults: parsed }
}

test('the definitions of a file are the same on another replica: services, groups and defaults', async () => {
  await fc.assert(
    fc.asyncProperty(definedFile, async (file) => {
      assert.deepEqual(await readOfferedConfiguration((await offerConfiguration(file)).text, handoverMs), file)
    }),
    { numRuns: 1000 },
  )
})

test('many services are written and read in order, and services that are known are reused', async () => {
  const parsed = { handoverMs }
  const services = Array.from({ length: 1000 }, (_, i) =>
    buildService(`s${i}`, ServiceSettings.parse({ targets: [`a:${i + 1}`], groups: [`g${i % 7}`] }), parsed),
  )
  const known = new Map(services.slice(0, 500).map((service) => [service.name, service]))
  const { text } = await offerConfiguration({ services, groups: [], defaults: parsed })
  const read = await readOfferedConfiguration(text, handoverMs, known)
  assert(typeof read !== 'string', String(read))
  assert.deepEqual(read.services, services)
  assert.equal(read.services[499], services[499])
  assert.equal(read.services[500]?.policy, read.services[999]?.policy)
})

test('writing and reading services of many targets yields to other work', async () => {
  const defaults = { handoverMs }
  const services = Array.from({ length: 100 }, (_, i) => {
    const targets = Array.from({ length: 200 }, (_, j) => `s${i}-${j}:80`)
    return buildService(`s${i}`, ServiceSettings.parse({ targets }), defaults)
  })
  /** Returns how many turns other work gets during the call. */
  async function turnsOf(work: Promise<unknown>): Promise<number> {
    let isDone = false
    void work.then(() => {
      isDone = true
    })
    let turns = 0
    for (; !isDone; turns++) await setImmediate()
    return turns
  }
  const offered = offerConfiguration({ services, groups: [], defaults })
  assert.ok((await turnsOf(offered)) >= 10)
  const { text } = await offered
  assert.ok((await turnsOf(readOfferedConfiguration(text, handoverMs))) >= 10)
})

test('the hand-over time is that of the reading replica, not that of the offering one', async () => {
  const { services, defaults } = fileOf({ targets: ['pg:5432'] })
  const { text } = await offerConfiguration(fileOf({ targets: ['pg:5432'] }))
  const read = await readOfferedConfiguration(text, 5)
  assert(typeof read !== 'string', String(read))
  assert.deepEqual(read.defaults, { ...defaults, handoverMs: 5 })
  assert.deepEqual(
    read.services.map(({ policy }) => policy),
    services.map(({ policy }) => ({ ...policy, handoverMs: 5 })),
  )
})

test('the same file has the same digest on every replica, and also when it is passed on', async () => {
  await fc.assert(
    fc.asyncProperty(definedFile, async (file) => {
      const offered = await offerConfiguration(file)
      assert.match(offered.digest, /^[0-9a-f]{64}$/)
      assert.deepEqual(
        await offerConfiguration({
          ...file,
          services: file.services.map((service) => makeService(structuredClone(partsOf(service)))),
        }),
        offered,
      )
      const read = await readOfferedConfiguration(offered.text, 5)
      assert(typeof read !== 'string', String(read))
      assert.deepEqual(await offerConfiguration(read), offered)
    }),
  )
})

test('files with equal definitions have the same digest, however they are written, and other files do not', async () => {
  const digest = async (written: object, defaults?: object) =>
    (await offerConfiguration(fileOf(written, defaults))).digest
  const one = await digest({ targets: ['a:1', 'b:1'], interval: '1m', quorum: 'all' })
  assert.equal(await digest({ quorum: 'all', interval: '60s', targets: ['a:1', 'b:1'] }), one)
  assert.equal(await digest({ targets: ['a:1', 'b:1'], interval: '60000ms', rise: 2 }), one)
  for (const other of [
    { targets: ['a:1', 'b:1'], interval: '61s' },
    { targets: ['a:1', 'c:1'], interval: '1m' },
    { targets: ['a:1', 'b:1'], interval: '1m', groups: ['a group'] },
    { targets: ['a:1', 'b:1'], interval: '1m', quorum: 'any' },
  ])
    assert.notEqual(await digest(other), one, JSON.stringify(other))
  assert.notEqual(await digest({ targets: ['a:1', 'b:1'], interval: '1m' }, { maxAge: '7s' }), one)
})

test('a file that cannot be read gives a sentence with the place and the reason', async () => {
  const { text } = await offerConfiguration(fileOf({ targets: ['pg:5432'], groups: ['payments'] }))
  const [head = '', line = ''] = text.split('\n')
  const withHead = (more: object) => `${JSON.stringify({ ...JSON.parse(head), ...more })}\n${line}`
  const withLine = (more: unknown) => `${text}\n${JSON.stringify(more)}`
  const cases: [text: string, expected: RegExp][] = [
    [withLine([' ', { targets: ['mq:5672'] }]), /^services\.1\.0: .* is not a service name: write /],
    [withLine(7), /^services\.1: /],
    [withHead({ groups: [['payments', 'most']] }), /^groups\.0\.1: .* is not a quorum: write all, any, /],
    [withHead({ groups: [['', 'any']] }), /^groups\.0\.0: /],
    [withHead({ defaults: 7 }), /^defaults: 7 is not a set of defaults/],
    [withHead({ format: 2 }), /^format: it has format 2, and this version reads 1$/],
  ]
  for (const [text, expected] of cases)
    assert.match(String(await readOfferedConfiguration(text, handoverMs)), expected, text)
})

test('text that is not JSON, as in a damaged store, gives a sentence too', async () => {
  const { text } = await offerConfiguration(fileOf({ targets: ['pg:5432'] }))
  for (const damaged of ['', text.slice(0, -1), `${text}\n`, '\0', 'null', '[]', '7'])
    assert.equal(typeof (await readOfferedConfiguration(damaged, handoverMs)), 'string', damaged)
})

/** An offer of a newer version, with settings that this version does not know, required or not, and values that it cannot read. */
async function readNewer(defaults: object, ...lines: [string, object][]) {
  const text = [{ format: 1, groups: [], defaults, schedule: 'of a newer version' }, ...lines]
  const foreign: string[] = []
  const read = await readOfferedConfiguration(
    text.map((line) => JSON.stringify(line)).join('\n'),
    handoverMs,
    undefined,
    (word) => foreign.push(`${word.kind} ${word.word} in ${word.where}`),
  )
  assert(typeof read !== 'string', String(read))
  return { ...read, foreign }
}

test('a setting of a newer version is skipped, and the service is still checked', async () => {
  const { services, foreign } = await readNewer({}, ['pg', { targets: ['pg:5432'], interval: '7s', colour: 'red' }])
  assert.deepEqual(
    services.map(({ name, policy }) => [name, policy.intervalMs, policy.unread]),
    [['pg', 7000, []]],
  )
  assert.deepEqual(foreign, ['ignored setting colour in the service "pg"'])
})

test('a service with a setting that a newer version requires exists, and is left to replicas that can read it', async () => {
  const line = { targets: ['pg:5432'], exchange: 'postgres', colour: 'red', requires: ['exchange'] }
  const { services, foreign } = await readNewer({}, ['pg', line], ['mq', { targets: ['mq:5672'] }])
  assert.deepEqual(
    services.map(({ name, policy }) => [name, policy.unread]),
    [
      ['pg', ['exchange']],
      ['mq', []],
    ],
  )
  assert.deepEqual(foreign, [
    'unread setting exchange in the service "pg"',
    'ignored setting colour in the service "pg"',
  ])
})

test('a value of a newer version counts as required, whichever setting it is for', async () => {
  const line = { targets: ['pg:5432'], quorum: 'exactly-one', close: 'later' }
  const { services } = await readNewer({}, ['pg', line])
  assert.deepEqual(services[0]?.policy.unread.toSorted(), ['close', 'quorum'])
})

test('a service whose targets cannot be read is left out and reported', async () => {
  const { services, foreign } = await readNewer({}, ['pg', { targets: ['srv:pg'] }], ['mq', { targets: ['mq:5672'] }])
  assert.deepEqual(
    services.map(({ name }) => name),
    ['mq'],
  )
  assert.match(foreign.join(), /^unread setting targets \(.*\) in the service "pg"$/)
})

test('defaults that a newer version requires apply to registered services', async () => {
  const { defaults } = await readNewer({ exchange: 'redis', timeout: '3s', requires: ['exchange'] })
  assert.deepEqual(defaults, { timeout: 3000, handoverMs, unread: ['exchange'] })
  const settings = ServiceSettings.parse({ targets: ['a:1'] })
  assert.deepEqual(buildService('a', settings, defaults, 'http').policy.unread, ['exchange'])
})
