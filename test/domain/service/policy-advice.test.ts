import assert from 'node:assert/strict'
import { test } from 'node:test'
import { adviceFor, warningsOf } from '../../../src/domain/service/policy-advice.ts'
import { createDialRules } from '../../../src/domain/target/dial-rules.ts'
import { sampleService } from '../../support/samples.ts'

const rules = createDialRules({})

test('a service without surprises has no warnings', () => {
  assert.deepEqual(warningsOf(sampleService('db', ['db-1:3306', '10.0.0.7:5432', '[fd00::7]:5432']), rules), [])
})

test('warnings contain the same advice as for the file, as sentences', () => {
  const service = sampleService('mysql', ['db:3307'], { close: 'fin', timeout: 1000, interval: 500 })
  assert.deepEqual(
    warningsOf(service, rules),
    adviceFor(service).map(({ message }) => message),
  )
  assert.deepEqual(
    adviceFor(service).map(({ fields }) => fields),
    [['timeout'], ['timeout', 'interval'], ['close']],
  )
  assert.match(
    warningsOf(service, rules)[2] ?? '',
    /max_connect_errors\): write close: half-open for ports 3306 and 3307$/,
  )
})

test('a setting of a service without effect gives a warning where the own settings are known', () => {
  const own = { interval: 'off', fastInterval: 1000 } as const
  const service = sampleService('db', ['db:5432'], own)
  assert.deepEqual(warningsOf(service, rules), [])
  assert.deepEqual(warningsOf(service, rules, own), [
    'fastInterval has no effect beside interval: off: remove one of them',
  ])
})

test('each literal address that will not be dialled gives a warning, and a name gives none', () => {
  const service = sampleService('db', ['localhost:5432', '127.0.0.1:5432', '10.0.0.7:5432', '[::ffff:7f00:1]:5432'])
  const why =
    'will not be dialled: it is a loopback address, which may not be dialled for services registered over HTTP: set dial.loopback: true, or list it in dial.allow, with all else that may be dialled'
  assert.deepEqual(warningsOf(service, rules), [`127.0.0.1:5432 ${why}`, `[::ffff:7f00:1]:5432 ${why}`])
  assert.deepEqual(warningsOf(service, createDialRules({ loopback: true })), [])
})

test('advice on an address of all zeros names the address to dial', () => {
  const service = sampleService('db', ['0.0.0.0:1', '[::]:2', '[::ffff:0.0.0.0]:3', '[0:0::]:4', '[::f]:5', '[::1]:6'])
  const why = 'is where programs listen, not where they are reached: write'
  assert.deepEqual(adviceFor(service), [
    {
      fields: ['targets'],
      message: `0.0.0.0:1: 0.0.0.0 ${why} 127.0.0.1:1 for this machine, or the address of another`,
    },
    { fields: ['targets'], message: `[::]:2: :: ${why} [::1]:2 for this machine, or the address of another` },
    {
      fields: ['targets'],
      message: `[::ffff:0.0.0.0]:3: ::ffff:0.0.0.0 ${why} 127.0.0.1:3 for this machine, or the address of another`,
    },
    { fields: ['targets'], message: `[0:0::]:4: 0:0:: ${why} [::1]:4 for this machine, or the address of another` },
  ])
})

test('a link-local address gets advice only without its interface', () => {
  const service = sampleService('db', ['[fe80::5]:1', '[febf::5]:2', '[fe80::5%eth0]:3', '[fec0::5]:4', 'fe80:5'])
  const why = 'a link-local address needs the interface it is reached by, such as'
  assert.deepEqual(adviceFor(service), [
    { fields: ['targets'], message: `[fe80::5]:1: ${why} [fe80::5%eth0]:1` },
    { fields: ['targets'], message: `[febf::5]:2: ${why} [febf::5%eth0]:2` },
  ])
})

test('a name that has to be escaped in a URL gives a warning', () => {
  assert.deepEqual(warningsOf(sampleService('team/app', ['db:5432']), createDialRules({})), [
    'a name with / is not found by /health/team/app: write /health/team%2Fapp, or choose a name without it',
  ])
})
