import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Reason } from '../../../src/domain/check/outcome.ts'
import { createHistory } from '../../../src/monitor/state/history.ts'
import { createTransitionLog } from '../../../src/monitor/transitions/transition-log.ts'
import { targetTable } from '../../../src/page/service/target-table.ts'
import { watch } from '../../monitor/fakes.ts'
import { sampleService } from '../../support/samples.ts'
import { keysIn, readElements } from '../elements.ts'

/** Builds the table of a service with the targets `a:1`, `b:1` and `c:1`. */
function buildTable() {
  const { monitor, clock, service, target, checkOnce } = watch([
    sampleService('db', ['a:1', 'b:1', 'c:1'], { rise: 2, fall: 3 }),
  ])
  const view = { root: './', details: true, clock, history: createHistory({ monitor }) }
  const log = createTransitionLog({ monitor, clock })
  const look = () => readElements(targetTable(service('db'), { ...view, log, now: clock.now() }).markup)
  return {
    order: () => keysIn(look(), 'targets').join(' '),
    cell(name: string, label: string): string {
      const found = look().find(
        ({ attributes, parents }) =>
          attributes['data-label'] === label && parents.some((parent) => parent.attributes['data-key'] === name),
      )
      return found?.text.trim() ?? assert.fail(`${name} has no ${label}`)
    },
    async find(name: string, ...reasons: Reason[]) {
      for (const reason of reasons) await checkOnce(target('db', name), reason)
    },
  }
}

test('the worst targets come first, and targets of equal status stay in the order of the configuration', async () => {
  const { order, find } = buildTable()
  assert.equal(order(), 'a:1 b:1 c:1')
  await find('a:1', 'connected', 'connected')
  assert.equal(order(), 'b:1 c:1 a:1')
  await find('c:1', 'refused', 'refused', 'refused')
  assert.equal(order(), 'c:1 b:1 a:1')
})

test('the table shows the streak of verdicts, and how many of them change the status', async () => {
  const { cell, find } = buildTable()
  const streak = () => cell('a:1', 'In a row')
  assert.equal(streak(), '–')
  for (const [reason, told] of [
    ['connected', '1 up'],
    ['connected', '2 up'],
    ['refused', '1 of 3 to down'],
    ['timeout', '2 of 3 to down'],
    ['refused', '3 down'],
    ['connected', '1 of 2 to up'],
    ['connected', '2 up'],
  ] as const) {
    await find('a:1', reason)
    assert.equal(streak(), told)
  }
})

test('a latency is shown after a check that was answered, and not after a timeout', async () => {
  const { cell, find } = buildTable()
  assert.equal(cell('a:1', 'Latency'), '–')
  await find('a:1', 'connected')
  assert.equal(cell('a:1', 'Latency'), '0.50 ms')
  await find('a:1', 'timeout')
  assert.equal(cell('a:1', 'Latency'), '–')
})
