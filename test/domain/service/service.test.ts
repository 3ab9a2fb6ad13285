import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type PolicySettings,
  PolicySettings as PolicySettingsSchema,
} from '../../../src/domain/service/policy-settings.ts'
import { buildService, GroupName, ServiceName, ServiceSettings } from '../../../src/domain/service/service.ts'
import { targetAt } from '../../../src/domain/target/target.ts'

const settings = (written: object) => ServiceSettings.parse({ targets: ['db:5432'], ...written })
const pathsOf = (written: object) =>
  (ServiceSettings.safeParse({ targets: ['db:5432'], ...written }).error?.issues ?? []).map(({ path }) =>
    path.join('.'),
  )

test('a service with only targets has the built-in policy', () => {
  const { name, targets, groups, sharedSettings } = buildService('db', settings({}))
  assert.deepEqual({ name, targets, groups }, { name: 'db', targets: [targetAt('db', 5432)], groups: [] })
  assert.deepEqual(sharedSettings, {
    quorum: 'all',
    resolve: 'first',
    policy: {
      intervalMs: 10_000,
      timeoutMs: 2000,
      rise: 2,
      fall: 3,
      fastIntervalMs: 10_000,
      downIntervalMs: 10_000,
      maxAgeMs: 5000,
      minAgeMs: 1000,
      close: 'half-open',
      lookupHoldMs: 3_600_000,
      holdMs: null,
      handoverMs: 0,
      unread: [],
    },
    origin: 'file',
    expiredTtlMs: null,
  })
})

test('a service has the origin of its definition', () => {
  assert.equal(buildService('db', settings({}), {}, 'http').origin, 'http')
})

const written: PolicySettings = {
  interval: 3000,
  timeout: 300,
  rise: 4,
  fall: 5,
  fastInterval: 500,
  downInterval: 9000,
  maxAge: 700,
  minAge: 70,
  close: 'fin',
  lookupHold: 80,
  hold: 90,
}
const policy = {
  intervalMs: 3000,
  timeoutMs: 300,
  rise: 4,
  fall: 5,
  fastIntervalMs: 500,
  downIntervalMs: 9000,
  maxAgeMs: 700,
  minAgeMs: 70,
  close: 'fin',
  lookupHoldMs: 80,
  holdMs: 90,
  handoverMs: 0,
  unread: [],
}

test('defaults fill every field that a service leaves out', () => {
  assert.deepEqual(buildService('db', settings({}), written).policy, policy)
})

test('the settings of a service override the defaults, field by field', () => {
  const other: PolicySettings = {
    interval: 'off',
    timeout: 1,
    rise: 1,
    fall: 1,
    fastInterval: 1,
    downInterval: 1,
    maxAge: 0,
    minAge: 0,
    close: 'rst',
    lookupHold: 0,
    hold: 0,
  }
  assert.deepEqual(buildService('db', { ...settings({}), ...written }, other).policy, policy)
})

test('a service cannot set the time of a hand-over', () => {
  assert.equal(buildService('db', settings({}), { handoverMs: 8000 }).policy.handoverMs, 8000)
  assert.deepEqual(pathsOf({ handoverMs: 8000 }), [''])
})

test('fastInterval and downInterval follow the interval of the service, not that of defaults', () => {
  const { fastIntervalMs, downIntervalMs } = buildService('db', settings({ interval: '1s' }), {
    interval: 60_000,
  }).policy
  assert.equal(fastIntervalMs, 1000)
  assert.equal(downIntervalMs, 1000)
})

test('zero is a value and not a missing setting', () => {
  const { maxAgeMs, minAgeMs } = buildService('db', settings({ maxAge: '0ms', minAge: '0s' }), written).policy
  assert.equal(maxAgeMs, 0)
  assert.equal(minAgeMs, 0)
})

test('interval: off means on demand, from the service or from the defaults', () => {
  assert.equal(buildService('db', settings({ interval: 'off' })).policy.intervalMs, null)
  assert.equal(buildService('db', settings({}), { interval: 'off' }).policy.intervalMs, null)
  assert.equal(buildService('db', settings({ interval: '1s' }), { interval: 'off' }).policy.intervalMs, 1000)
})

test('a group named twice counts once', () => {
  assert.deepEqual(buildService('db', settings({ groups: ['a', 'b', 'a'] })).groups, ['a', 'b'])
})

test('every field is parsed from the form that people write', () => {
  const written = { interval: '3s', timeout: '300ms', quorum: '50%', groups: ['a'], close: 'rst', rise: 1 }
  const parsed = settings({ ...written, resolve: 'all' })
  assert.equal(parsed.interval, 3000)
  assert.equal(parsed.timeout, 300)
  assert.equal(parsed.quorum, '50%')
  assert.equal(parsed.close, 'rst')
  assert.equal(buildService('db', parsed).resolve, 'all')
})

test('an invalid field is rejected with its path', () => {
  const wrong: readonly [written: object, path: string][] = [
    [{ interval: '10' }, 'interval'],
    [{ interval: '99ms' }, 'interval'],
    [{ interval: 'on' }, 'interval'],
    [{ timeout: '9ms' }, 'timeout'],
    [{ timeout: 'off' }, 'timeout'],
    [{ rise: 0 }, 'rise'],
    [{ rise: '2' }, 'rise'],
    [{ fall: 1.5 }, 'fall'],
    [{ fall: 101 }, 'fall'],
    [{ fastInterval: 'off' }, 'fastInterval'],
    [{ maxAge: -1 }, 'maxAge'],
    [{ close: 'FIN' }, 'close'],
    [{ resolve: 'every' }, 'resolve'],
    [{ quorum: 'most' }, 'quorum'],
    [{ groups: 'a' }, 'groups'],
    [{ groups: ['a', ''] }, 'groups.1'],
    [{ targets: [] }, 'targets'],
    [{ targets: 'db:5432' }, 'targets'],
    [{ targets: ['db:5432', 'db'] }, 'targets.1'],
  ]
  for (const [input, path] of wrong) assert.deepEqual(pathsOf(input), [path], JSON.stringify(input))
})

test('an unknown field is rejected', () => {
  assert.equal(ServiceSettings.safeParse({ targets: ['db:5432'], intervall: '1s' }).success, false)
  assert.equal(PolicySettingsSchema.safeParse({ targets: [] }).success, false)
})

test('a target in two spellings is rejected at the second one', () => {
  assert.deepEqual(pathsOf({ targets: ['a:1', 'db:5432', 'DB.:5432'] }), ['targets.2'])
  assert.deepEqual(pathsOf({ targets: ['[::1]:1', '[0::1]:1'] }), ['targets.1'])
})

test('a quorum that the targets can never meet is rejected', () => {
  assert.deepEqual(pathsOf({ targets: ['a:1', 'b:1'], quorum: 3 }), ['quorum'])
  for (const quorum of ['all', 'any', 1, 2, '1%', '100%']) {
    assert.deepEqual(pathsOf({ targets: ['a:1', 'b:1'], quorum }), [])
  }
})

test('a quorum above the number of targets is valid where a name may have many addresses', () => {
  assert.deepEqual(pathsOf({ targets: ['a:1', 'b:1'], quorum: 3, resolve: 'all' }), [])
  assert.deepEqual(pathsOf({ targets: ['a:1', 'b:1'], quorum: 3, resolve: 'first' }), ['quorum'])
})

test('a name is up to 200 characters of text without control characters', () => {
  for (const Name of [ServiceName, GroupName]) {
    for (const name of ['a', 'Zahlungen Ost', 'a/b', 'ünï', '数据库', 'a'.repeat(200)])
      assert.equal(Name.parse(name), name)
    for (const name of ['', ' a', 'a ', 'a\nb', 'a\tb', '\0', '\u2028', 'a'.repeat(201), 1, null]) {
      assert.equal(Name.safeParse(name).success, false, JSON.stringify(name))
    }
  }
})

test('a service cannot have a name that URLs leave out, and a group can', () => {
  for (const name of ['.', '..']) {
    assert.match(ServiceName.safeParse(name).error?.issues[0]?.message ?? '', /no URL can lead to it/)
    assert.equal(GroupName.safeParse(name).success, true)
  }
  for (const name of ['...', '.a', 'a.', 'a..b']) assert.equal(ServiceName.safeParse(name).success, true, name)
})
