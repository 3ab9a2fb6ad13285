import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatDuration, parseDuration } from '../../../src/domain/values/duration.ts'
import { Duration } from '../../../src/domain/values/duration-schema.ts'

test('every unit is parsed, with a fraction or without', () => {
  const durations: readonly [text: string, ms: number][] = [
    ['0ms', 0],
    ['500ms', 500],
    ['10s', 10_000],
    ['1.5m', 90_000],
    ['2h', 7_200_000],
    ['30d', 2_592_000_000],
    ['0.5s', 500],
    ['1.005s', 1005],
    ['0.07m', 4200],
  ]
  for (const [text, ms] of durations) assert.equal(parseDuration(text), ms, text)
})

test('text that is not a duration is rejected', () => {
  const texts = ['', '10', 's', '10 s', ' 10s', '10s ', '10s\n', '-1s', '+1s', '1e3s', '.5s', '5.s', '1,5s', '10S']
  for (const text of [...texts, '10sec', '1m30s', 'Infinity', 'NaNs', '٣s', '10us', '1w']) {
    assert.equal(parseDuration(text), null, JSON.stringify(text))
  }
})

test('any whole milliseconds can be written and parsed again', () => {
  fc.assert(
    fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), (ms) => {
      assert.equal(parseDuration(formatDuration(ms)), ms)
    }),
  )
})

test('any duration is parsed to whole milliseconds, which can be written and parsed again', () => {
  const written = fc.tuple(fc.nat({ max: 9999 }), fc.nat({ max: 9999 }), fc.constantFrom('ms', 's', 'm', 'h', 'd'))
  fc.assert(
    fc.property(written, ([whole, fraction, unit]) => {
      const ms = parseDuration(`${whole}.${fraction}${unit}`)
      assert.ok(ms !== null && Number.isInteger(ms), `${ms} is not whole`)
      assert.equal(parseDuration(formatDuration(ms)), ms)
    }),
  )
})

test('a duration is written in the largest unit that needs no fraction', () => {
  const durations: readonly [ms: number, text: string][] = [
    [0, '0ms'],
    [1, '1ms'],
    [999, '999ms'],
    [1500, '1500ms'],
    [60_000, '1m'],
    [90_000, '90s'],
    [5_400_000, '90m'],
    [86_400_000, '1d'],
  ]
  for (const [ms, text] of durations) assert.equal(formatDuration(ms), text)
})

test('a duration outside its bounds is rejected', () => {
  const Bounded = Duration(100, 60_000)
  assert.equal(Bounded.parse('100ms'), 100)
  assert.equal(Bounded.parse('1m'), 60_000)
  for (const text of ['99ms', '60001ms', '1h', `${'9'.repeat(400)}d`]) {
    const { error } = Bounded.safeParse(text)
    assert.match(error?.issues[0]?.message ?? '', /100ms.*1m/, text)
  }
})

test('a number without a unit is rejected, and the message offers the likeliest units that are in range', () => {
  const hour = 3_600_000
  const day = 24 * hour
  const numbers: readonly [input: number | string, minMs: number, maxMs: number, offer: string][] = [
    [10, 0, 60_000, '10s, or 10ms'],
    ['10', 0, 60_000, '10s, or 10ms'],
    [2, 10, 300_000, '2s, or 2m'],
    [500, 10, 300_000, '500ms'],
    [30, hour, 366 * day, '30d, or 30h'],
    ['1.5', hour, 366 * day, '1.5d, or 1.5h'],
    [5000, hour, 366 * day, '5000s, or 5000m'],
    [1e9, hour, 366 * day, '1000000000ms'],
    [0, hour, 366 * day, '1h to 366d'],
    [1e11, hour, 366 * day, '1h to 366d'],
  ]
  for (const [input, minMs, maxMs, offer] of numbers) {
    const { error } = Duration(minMs, maxMs).safeParse(input)
    assert.equal(error?.issues[0]?.message, `${JSON.stringify(input)} has no unit: write ${offer}`)
  }
})

test('a value that is neither text nor a number is rejected', () => {
  for (const input of [null, undefined, true, [], {}, ['10s']]) {
    assert.equal(Duration(0, 60_000).safeParse(input).success, false)
  }
})
