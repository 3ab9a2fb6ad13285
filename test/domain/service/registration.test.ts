import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RegistrationSettings, readRegistration, writeRegistration } from '../../../src/domain/service/registration.ts'
import { buildService } from '../../../src/domain/service/service.ts'
import { defineService, ServiceDefinition } from '../../../src/domain/service/service-definition.ts'

const duration = (minMs: number, maxMs: number) =>
  fc.oneof(
    fc.integer({ min: minMs, max: maxMs }).map((ms) => `${ms}ms`),
    fc.integer({ min: Math.ceil(minMs / 100), max: Math.floor(maxMs / 100) }).map((tenths) => `${tenths / 10}s`),
    fc.constantFrom(`${minMs}ms`, `${maxMs / 1000}s`),
  )
const day = 86_400_000
const interval = duration(100, day)
const port = fc.integer({ min: 1, max: 65_535 })
const host = fc.oneof(
  fc.domain(),
  fc.ipV4(),
  fc.ipV6().map((ip) => `[${ip}]`),
  fc.constantFrom('localhost', 'Db_1.internal.', '[fe80::1%eth0]', '[::FFFF:10.0.0.1]'),
)
const targets = fc
  .uniqueArray(
    fc.tuple(host, port).map(([name, at]) => `${name}:${at}`),
    { minLength: 1, maxLength: 5 },
  )
  .filter((list) => RegistrationSettings.safeParse({ targets: list }).success)
const quorum = fc.oneof(
  fc.constantFrom('all', 'any', 1, '1'),
  fc.integer({ min: 1, max: 100 }).map((share) => `${share}%`),
)

/** Random valid bodies, each field present or absent. */
const body = fc.record(
  {
    targets,
    quorum,
    groups: fc.array(fc.stringMatching(/^[a-z🦆]{1,9}$/u), { maxLength: 4 }),
    resolve: fc.constantFrom('first', 'all'),
    interval: fc.oneof(fc.constant('off'), interval),
    timeout: duration(10, 300_000),
    rise: fc.integer({ min: 1, max: 100 }),
    fall: fc.integer({ min: 1, max: 100 }),
    fastInterval: interval,
    downInterval: interval,
    maxAge: duration(0, day),
    minAge: duration(0, day),
    close: fc.constantFrom('half-open', 'rst', 'fin'),
    ttl: duration(1000, 30 * day),
    expireAfter: duration(0, 30 * day),
  },
  { requiredKeys: ['targets'] },
)
const defaults = fc.constantFrom({}, { interval: 'off' as const, minAge: 0 }, { fastInterval: 100, timeout: 5000 })

test('the definition of a registered service can be written and read again, field by field', () => {
  fc.assert(
    fc.property(body, defaults, (sent, fileDefaults) => {
      const define = (text: string) => {
        const read = readRegistration(text)
        assert.ok(typeof read !== 'string', String(read))
        const { settings } = read
        const definition = defineService(buildService('pg', settings, fileDefaults, 'http'), settings)
        return ServiceDefinition.strict().parse(definition)
      }
      const first = define(JSON.stringify(sent))
      assert.deepEqual(define(JSON.stringify(first)), first)
    }),
    { numRuns: 2000 },
  )
})

test('a registration can be written and read again, and equal registrations have equal text', () => {
  fc.assert(
    fc.property(body, (sent) => {
      const settings = RegistrationSettings.parse(sent)
      const text = writeRegistration(settings)
      const again = readRegistration(text)
      assert.ok(typeof again !== 'string', String(again))
      assert.deepEqual(again, { settings, unread: [], ignored: [] })
      assert.equal(writeRegistration(again.settings), text)
    }),
    { numRuns: 2000 },
  )
})

test('the order of fields and the spelling of durations do not change the text of a registration', () => {
  const write = (sent: object) => writeRegistration(RegistrationSettings.parse(sent))
  assert.equal(
    write({ ttl: '1.5m', targets: ['a:1'], timeout: '1000ms' }),
    write({ targets: ['a:1'], timeout: '1s', ttl: '90s' }),
  )
})

test('an unreadable registration gives a reason, JSON or not', () => {
  assert.match(String(readRegistration('{"targets":["a"]}')), /^targets: 0: "a" has no port/)
  for (const text of ['{}', '[]', 'null', '7']) assert.match(String(readRegistration(text)), /targets|not a service/)
  for (const text of ['', '{"targets":', '\0']) assert.match(String(readRegistration(text)), /not JSON/)
})
