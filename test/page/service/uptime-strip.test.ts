import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTransitionLog } from '../../../src/monitor/transitions/transition-log.ts'
import { uptimeStripOf } from '../../../src/page/service/uptime-strip.ts'
import { watch } from '../../monitor/fakes.ts'
import { sampleService } from '../../support/samples.ts'
import { readElements } from '../elements.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs

/** Builds a service with one target, and reads the strip of its last day. */
function buildUptimeStrip() {
  const { monitor, clock, service, target, checkOnce } = watch([
    sampleService('pg', ['db:1'], { interval: 24 * hourMs, rise: 1, fall: 1 }),
  ])
  const log = createTransitionLog({ monitor, clock })
  /** Returns the half hours of each status, where 0 is the latest and 47 the oldest, with the label and the uptime. */
  function look() {
    const { strip, uptime } = uptimeStripOf(service('pg'), log, clock)
    const [svg = assert.fail(), ...paths] = readElements(strip.markup)
    const { viewBox = '' } = svg.attributes
    const width = Number(viewBox.split(' ')[2])
    const statuses = paths.map(({ attributes: { class: status = '', d = '' } }): [string, number[]] => [
      status,
      Array.from(d.matchAll(/M([\d.]+) /g), ([, x]) => 47 - Math.floor((Number(x) / width) * 48)).reverse(),
    ])
    return { slices: Object.fromEntries(statuses), label: svg.attributes['aria-label'], uptime }
  }
  const find = (reason: 'connected' | 'refused') => checkOnce(target('pg', 'db:1'), reason)
  return { clock, find, look }
}

const from = (first: number) => Array.from({ length: 48 - first }, (_, index) => first + index)

test('a day without any check has 48 half hours of unknown status', () => {
  assert.deepEqual(buildUptimeStrip().look(), {
    slices: { unknown: from(0) },
    label: 'last 24 hours: uptime unknown',
    uptime: null,
  })
})

test('half hours begin at full and half hours of the clock, so that an event stays in its own', async () => {
  const { clock, find, look } = buildUptimeStrip()
  clock.advance(20 * minuteMs)
  await find('refused')
  for (const [minutes, back] of [
    [0, 0],
    [9.9, 0],
    [0.2, 1],
    [29.8, 1],
    [0.2, 2],
  ] as const) {
    clock.advance(minutes * minuteMs)
    if (back === 1) await find('connected')
    assert.deepEqual(look().slices.unknown, from(back + 1))
    assert.equal(look().slices.down?.at(-1), back)
  }
})

test('a half hour has the worst status in it, and the label counts the bad half hours', async () => {
  const { clock, find, look } = buildUptimeStrip()
  await find('connected')
  clock.advance(2 * hourMs)
  await find('refused')
  clock.advance(3 * minuteMs)
  await find('connected')
  clock.advance(57 * minuteMs)
  assert.deepEqual(look(), {
    slices: { up: [0, 1, 3, 4, 5, 6], down: [2], unknown: from(7) },
    label: 'last 24 hours: uptime 98.33%, down in 1 of 48 half hours',
    uptime: '98.33%',
  })
})
