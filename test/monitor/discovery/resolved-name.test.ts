import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextResolvedName, type ResolvedName, unresolvedName } from '../../../src/monitor/discovery/resolved-name.ts'
import type { Resolution } from '../../../src/prober/lookup/resolver.ts'

const missing = { code: 'ENOTFOUND' }
const failing = { code: 'EAI_AGAIN' }
const addresses = (...ips: [string, ...string[]]): Resolution => ({ addresses: ips })

/** Returns a function that looks one name up, 10 seconds after the previous time. */
function lookUps(settings: { fall?: number; holdMs?: number | null; lookupHoldMs?: number }, most = 100) {
  const policy = { fall: 2, holdMs: 0, lookupHoldMs: 3_600_000, ...settings }
  let found: ResolvedName = unresolvedName
  let now = 0
  return (resolution: Resolution | null) => {
    now += 10_000
    found = nextResolvedName(found, { startedAt: now, resolution }, policy, most)
    return found
  }
}

test('a failed look-up neither counts as a missing name nor ends a row of such answers', () => {
  const lookUp = lookUps({})
  lookUp(addresses('10.0.0.1'))
  for (const [resolution, ips, misses, failure] of [
    [failing, 1, 0, 'EAI_AGAIN'],
    [missing, 1, 1, null],
    [null, 1, 1, 'timeout'],
    [missing, 0, 2, null],
    [addresses('10.0.0.1'), 1, 0, null],
  ] as const) {
    const found = lookUp(resolution)
    assert.deepEqual([found.ips.length, found.misses, found.failure], [ips, misses, failure])
  }
})

for (const [what, holdMs, answers] of [
  ['the third, if hold is not set', null, 3],
  ['the first, if hold is 0', 0, 1],
  ['the first that comes hold after the last answer with it', 35_000, 4],
  ['the same one, if look-ups begin a little early', 30_500, 3],
] as const) {
  test(`an address leaves at this answer without it: ${what}`, () => {
    const lookUp = lookUps({ holdMs })
    lookUp(addresses('10.0.0.1', '10.0.0.2'))
    for (let n = 1; n < answers; n++) assert.equal(lookUp(addresses('10.0.0.2')).ips.length, 2)
    assert.deepEqual(lookUp(addresses('10.0.0.2')).ips, ['10.0.0.2'])
  })
}

test('an answer that has the address again ends its hold', () => {
  const lookUp = lookUps({ holdMs: null })
  for (let n = 0; n < 5; n++) {
    lookUp(addresses('10.0.0.1', '10.0.0.2'))
    lookUp(addresses('10.0.0.2'))
    assert.equal(lookUp(addresses('10.0.0.2')).ips.length, 2)
  }
})

test('the time in which look-ups fail does not count for a hold', () => {
  const lookUp = lookUps({ holdMs: 30_000 })
  lookUp(addresses('10.0.0.1', '10.0.0.2'))
  assert.equal(lookUp(addresses('10.0.0.2')).ips.length, 2)
  for (const resolution of [failing, null, failing, failing]) lookUp(resolution)
  assert.equal(lookUp(addresses('10.0.0.2')).ips.length, 2)
  assert.equal(lookUp(addresses('10.0.0.2')).ips.length, 1)
})

test('the hold of addresses that another replica found begins again', () => {
  const policy = { fall: 3, holdMs: 20_000, lookupHoldMs: 0 }
  const taken = { ...unresolvedName, ips: ['10.0.0.1'] }
  const lookUp = (known: ResolvedName, startedAt: number) =>
    nextResolvedName(known, { startedAt, resolution: addresses('10.0.0.2') }, policy, 100)
  const first = lookUp(taken, 1e9)
  const second = lookUp(first, 1e9 + 10_000)
  assert.deepEqual([first.ips.length, second.ips.length], [2, 2])
  assert.equal(lookUp(second, 1e9 + 20_000).ips.length, 1)
})

test('addresses stay for lookupHold after the first failed look-up, and a missing answer does not extend it', () => {
  const lookUp = lookUps({ lookupHoldMs: 30_000 })
  lookUp(addresses('10.0.0.1'))
  for (const resolution of [failing, null, failing]) assert.equal(lookUp(resolution).ips.length, 1)
  assert.deepEqual([lookUp(failing).ips, lookUp(null).failingSince], [[], 20_000])
  lookUp(addresses('10.0.0.1'))
  const { ips, failingSince } = lookUp(failing)
  assert.deepEqual([ips.length, failingSince], [1, 80_000])
})

test('with a lookupHold of 0 the addresses leave at the first failed look-up', () => {
  const lookUp = lookUps({ lookupHoldMs: 0 })
  lookUp(addresses('10.0.0.1'))
  assert.deepEqual(lookUp(failing).ips, [])
})

test('the limit of addresses includes held ones, and addresses of the answer come first', () => {
  const lookUp = lookUps({ holdMs: null }, 3)
  lookUp(addresses('10.0.0.1', '10.0.0.2', '10.0.0.3'))
  assert.deepEqual(lookUp(addresses('10.0.0.3', '10.0.0.4')).ips, ['10.0.0.1', '10.0.0.3', '10.0.0.4'])
  assert.deepEqual(lookUp(addresses('10.0.0.5', '10.0.0.6')).ips, ['10.0.0.3', '10.0.0.5', '10.0.0.6'])
})
