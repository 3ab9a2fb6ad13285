import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createEmitter } from '../../../src/monitor/emitter.ts'
import type { Monitor } from '../../../src/monitor/monitor.ts'
import type { Checked } from '../../../src/monitor/scheduling/checks.ts'
import { type OverloadNews, watchOverload } from '../../../src/monitor/scheduling/overload.ts'
import { sampleService } from '../../support/samples.ts'
import { fakeClock } from '../fakes.ts'

/** Returns the overload news for late checks, one every 100 ms, of a target with this interval. */
function watchLateness(interval = 10_000) {
  const clock = fakeClock()
  const state = { serviceState: { service: sampleService('pg', ['pg:1'], { interval }) } }
  const checked = createEmitter<Checked>()
  const told: OverloadNews[] = []
  watchOverload({ monitor: { checked } as Monitor, clock }).subscribe((news) => told.push(news))
  return {
    told,
    pass(seconds: number, lateMs: (i: number) => number | null) {
      for (let i = 0; i < seconds * 10; i++) {
        clock.advance(100)
        checked.emit({ state, lateMs: lateMs(i) } as Checked)
      }
    },
  }
}

test('late checks are reported after a while, and once more when they are over', () => {
  const { told, pass } = watchLateness()
  pass(60, () => 40)
  assert.deepEqual(told, [])
  pass(30, () => 2500)
  assert.deepEqual(
    told.map(({ isOverloaded, latestMs }) => [isOverloaded, latestMs]),
    [[true, 2500]],
  )
  pass(40, () => 40)
  assert.deepEqual(
    told.map(({ isOverloaded }) => isOverloaded),
    [true, false],
  )
})

test('a burst of late checks, few late checks among many, and checks for callers are no overload', () => {
  const { told, pass } = watchLateness()
  pass(9, () => 5000)
  pass(60, (i) => (i % 20 === 0 ? 5000 : 10))
  pass(60, () => null)
  assert.deepEqual(told, [])
})

test('a lasting overload is reported every five minutes', () => {
  const { told, pass } = watchLateness()
  pass(20 * 60, () => 1001)
  assert.ok(told.length >= 4 && told.length <= 5, `${told.length}`)
  assert.ok(told.every(({ isOverloaded, late, checks }) => isOverloaded && late === checks))
})

test('an overload of only a fifth of the checks is reported too, such as checks of unresponsive targets', () => {
  const { told, pass } = watchLateness()
  pass(60, (i) => (i % 5 === 0 ? 5000 : 10))
  assert.deepEqual(
    told.map(({ isOverloaded }) => isOverloaded),
    [true],
  )
})

for (const [interval, lateFrom] of [
  [100, 100],
  [600, 300],
  [2000, 1000],
  [60_000, 1000],
] as const) {
  test(`with an interval of ${interval} ms a check is late if it begins more than ${lateFrom} ms after its scheduled time`, () => {
    const { told, pass } = watchLateness(interval)
    pass(60, () => lateFrom)
    assert.deepEqual(told, [])
    pass(60, () => lateFrom + 1)
    assert.equal(told.length, 1)
  })
}
