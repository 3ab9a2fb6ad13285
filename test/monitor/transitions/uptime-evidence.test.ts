import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTransitionLog } from '../../../src/monitor/transitions/transition-log.ts'
import { uptimeEvidence } from '../../../src/monitor/transitions/uptime-evidence.ts'
import { sampleService } from '../../support/samples.ts'
import { watch } from '../fakes.ts'

/** Creates two services and a log of their transitions. */
function start() {
  const state = watch([sampleService('pg', ['pg:1', 'pg:2'], { quorum: 'any' }), sampleService('mq', ['mq:1'])])
  const log = createTransitionLog({ monitor: state.monitor, clock: state.clock })
  return { ...state, log }
}

test('the evidence has the changes of the service itself, oldest first, and its current status', async () => {
  const { log, clock, checkOnce, service, target } = start()
  for (const name of ['pg:1', 'pg:2']) {
    clock.advance(100)
    await checkOnce(target('pg', name), 'connected')
    await checkOnce(target('mq', 'mq:1'), 'refused')
  }
  const { changes, status, completeSince, gaps } = uptimeEvidence(service('pg'), log, clock.now())
  assert.deepEqual(
    changes.at.map((at, index) => `${at} ${changes.from[index]} → ${changes.to[index]}`),
    ['5100 unknown → degraded', '5200 degraded → up'],
  )
  assert.deepEqual([status, completeSince, gaps], ['up', 5000, []])
})

test('a status that went stale is one more change, at the time it went stale and not when it is seen', async () => {
  const { log, clock, checkOnce, service, target } = start()
  await checkOnce(target('mq', 'mq:1'), 'connected')
  clock.advance(86_400_000)
  const { changes, status } = uptimeEvidence(service('mq'), log, clock.now())
  assert.equal(status, 'unknown')
  assert.deepEqual(
    changes.at.map((at, index) => `${at} ${changes.from[index]} → ${changes.to[index]}`),
    ['5000 unknown → up', '37000 up → unknown'],
  )
})

test('without any change the evidence has the last known status of the previous process', () => {
  const { log, clock, service } = start()
  log.restore({
    transitions: [{ id: 1, service: 'pg', target: null, from: 'up', to: 'down', at: -1e9, reason: null, message: '' }],
    gaps: [],
    completeAfter: { id: 0, at: -2e9 },
    endedAt: 4000,
  })
  clock.advance(30 * 86_400_000)
  const { changes } = uptimeEvidence(service('pg'), log, clock.now())
  assert.deepEqual(
    changes.from.map((from, index) => `${from} → ${changes.to[index]}`),
    ['down → down'],
  )
})
