import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LoggedTransition, Transition } from '../../../src/domain/health/transition.ts'
import { createTransitionLog } from '../../../src/monitor/transitions/transition-log.ts'
import { sampleService } from '../../support/samples.ts'
import { watch } from '../fakes.ts'

/** Creates a log whose transitions the test emits. `happen` emits one at the current time of the clock. */
function keep(limits: { maxCount?: number; maxAgeMs?: number } = {}) {
  const state = watch([])
  const log = createTransitionLog({ monitor: state.monitor, clock: state.clock, ...limits })
  const happen = (message: string, service = 'pg') => {
    const cause = { target: null, from: 'up', to: 'down', reason: 'refused' } as const
    const transition: Transition = { service, ...cause, at: state.clock.now(), message }
    state.monitor.transitions.emit(transition)
  }
  return { ...state, log, happen }
}

const told = (found: readonly LoggedTransition[] | null) => found?.map(({ message }) => message).join(' ')

test('the log has the transitions of targets and services of a monitor', async () => {
  const { monitor, clock, checkOnce, target } = watch([sampleService('pg', ['pg:5432'])])
  const log = createTransitionLog({ monitor, clock })
  clock.advance(250)
  await checkOnce(target('pg', 'pg:5432'), 'connected')
  const [service, ofTarget, ...rest] = log.find({})
  assert.deepEqual(rest, [])
  assert.deepEqual([service?.service, service?.target, service?.from, service?.to], ['pg', null, 'unknown', 'up'])
  assert.deepEqual([ofTarget?.target, ofTarget?.at, ofTarget?.reason], ['pg:5432', 5250, 'connected'])
})

test('transitions are found newest first', () => {
  const { log, happen } = keep()
  for (const message of ['a', 'b', 'c']) happen(message)
  assert.equal(told(log.find({})), 'c b a')
})

test('a query finds transitions at or after from, and before to', () => {
  const { log, happen, clock } = keep()
  for (const message of ['a', 'b', 'c', 'd']) {
    happen(message)
    clock.advance(10)
  }
  assert.equal(told(log.find({ from: 5010 })), 'd c b')
  assert.equal(told(log.find({ to: 5020 })), 'b a')
  assert.equal(told(log.find({ from: 5010, to: 5030 })), 'c b')
  assert.equal(told(log.find({ from: 5011, to: 5019 })), '')
})

test('a query finds the transitions of one service, up to the limit', () => {
  const { log, happen } = keep()
  for (const message of ['a', 'b', 'c', 'd']) happen(message, message < 'c' ? 'pg' : 'mq')
  assert.equal(told(log.find({ service: 'pg' })), 'b a')
  assert.equal(told(log.find({ service: 'pg', limit: 1 })), 'b')
  assert.equal(told(log.find({ service: 'nobody' })), '')
})

test('a query finds transitions older than a given one, even at the same instant and after later additions', () => {
  const { log, happen } = keep()
  for (const message of ['a', 'b', 'c']) happen(message)
  const [, middle] = log.find({})
  happen('d')
  assert.equal(told(log.find({ before: middle?.id })), 'a')
})

test('ids grow with every transition and from one process to the next', () => {
  const { log, happen, monitor, clock } = keep()
  for (let count = 0; count < 1000; count++) happen('a')
  const ids = log.find({}).map(({ id }) => id)
  assert.ok(ids.every((id, at) => Number.isSafeInteger(id) && (at === 0 || id < (ids[at - 1] ?? 0))))
  clock.advance(1)
  const next = createTransitionLog({ monitor, clock })
  happen('b')
  const newest = next.find({})[0]?.id ?? 0
  assert.ok(newest > (ids[0] ?? 0), `${newest} follows ${ids[0]}`)
})

test('an id contains the time of its transition, and ids do not fall when the clock is set back', () => {
  const { log, happen, clock } = keep()
  clock.advance(60_000)
  for (let count = 0; count < 3; count++) happen('a')
  const [third, , first] = log.find({})
  assert.equal(first?.id, Math.floor(clock.toEpoch(clock.now())) * 1000)
  assert.equal(third?.id, (first?.id ?? 0) + 2)
  clock.stepWall(-30_000)
  happen('b')
  assert.equal(log.lastId(), (third?.id ?? 0) + 1)
})

test('a transition is emitted once it can be found', () => {
  const { log, happen } = keep()
  const seen: [string, string | undefined][] = []
  log.logged.subscribe(({ message }) => seen.push([message, told(log.find({ limit: 1 }))]))
  happen('a')
  happen('b')
  assert.deepEqual(seen, [
    ['a', 'a'],
    ['b', 'b'],
  ])
})

test('the log is complete since its creation, until a transition is forgotten', () => {
  const { log, happen, clock } = keep({ maxCount: 10, maxAgeMs: 1000 })
  clock.advance(300)
  happen('a')
  clock.advance(1000)
  assert.deepEqual([log.completeSince(), told(log.find({}))], [5000, 'a'])
})

test('transitions that are too old are forgotten, and the log says since when it is complete', () => {
  const { log, happen, clock } = keep({ maxAgeMs: 1000 })
  happen('a')
  clock.advance(600)
  happen('b')
  clock.advance(401)
  assert.equal(log.completeSince(), 5000)
  assert.equal(told(log.find({})), 'b')
  clock.advance(600)
  assert.deepEqual([told(log.find({})), log.completeSince()], ['', 5600])
})

test('the oldest of too many transitions are forgotten, and the log says since when it is complete', () => {
  const { log, happen, clock } = keep({ maxCount: 20 })
  for (let count = 0; count < 1000; count++) {
    happen(String(count))
    clock.advance(1)
    const found = log.find({})
    assert.ok(found.length <= 22, `${found.length} are kept`)
    assert.ok(found.length >= Math.min(count + 1, 20), `${found.length} are left`)
    assert.equal(found[0]?.message, String(count))
    const forgotten = count + 1 - found.length
    assert.equal(log.completeSince(), forgotten === 0 ? 5000 : 5000 + forgotten - 1)
  }
})

test('a query without a limit finds everything since the log is complete', () => {
  const { log, happen, clock } = keep({ maxCount: 20 })
  for (let count = 0; count < 21; count++) {
    happen(String(count))
    clock.advance(1)
  }
  assert.equal(log.completeSince(), 5000)
  assert.equal(log.find({}).at(-1)?.message, '0')
})

test('the transitions after an id are returned oldest first, up to the limit', () => {
  const { log, happen } = keep()
  for (const message of ['a', 'b', 'c']) happen(message)
  const [newest, , oldest] = log.find({})
  assert.ok(newest && oldest)
  assert.equal(told(log.after(oldest.id)), 'b c')
  assert.equal(told(log.after(oldest.id, 1)), 'b')
  assert.equal(told(log.after(newest.id)), '')
})

test('after an id the answer is null, if later transitions are forgotten or the id is of an unknown process', () => {
  const { log, happen, clock } = keep({ maxAgeMs: 1000 })
  happen('a')
  happen('b')
  const [b, a] = log.find({})
  assert.ok(a && b)
  assert.equal(log.after(a.id - 2), null)
  clock.advance(500)
  happen('c')
  clock.advance(501)
  assert.equal(log.after(a.id), null)
  // The transition with that id may itself be forgotten, because nothing after it is missing.
  assert.equal(told(log.after(b.id)), 'c')
})

/** Returns a transition of the previous process. */
function earlier(id: number, at: number, message: string): LoggedTransition {
  return { id, service: 'pg', target: null, from: 'up', to: 'down', at, reason: null, message }
}

test('transitions of the previous process come before those of this one, and are not emitted', () => {
  const { log, happen } = keep()
  happen('c')
  const news: string[] = []
  log.logged.subscribe(({ message }) => news.push(message))
  const transitions = [earlier(7, -2000, 'a'), earlier(8, -1000, 'b')]
  log.restore({ transitions, gaps: [], completeAfter: { id: 6, at: -3000 }, endedAt: -1000 })
  happen('d')
  assert.equal(told(log.find({})), 'd c b a')
  assert.equal(told(log.after(7)), 'b c d')
  assert.equal(told(log.after(6)), 'a b c d')
  assert.equal(log.after(5), null)
  assert.equal(log.completeSince(), -3000)
  assert.deepEqual(news, ['d'])
})

test('the restored log replaces the entries of this process up to the end of the previous one', () => {
  const { log, happen, clock } = keep()
  happen('seen by both')
  const id = log.lastId()
  clock.advance(1000)
  happen('c')
  const transitions = [earlier(7, -2000, 'a'), earlier(id + 1, 5000, 'b')]
  log.restore({ transitions, gaps: [], completeAfter: { id: 6, at: -3000 }, endedAt: 5000 })
  assert.equal(told(log.find({})), 'c b a')
})

test('ids continue after those of a previous process whose clock was ahead', () => {
  const { log, happen } = keep()
  const ahead = log.lastId() + 1_000_000
  const transitions = [earlier(ahead, 4000, 'a')]
  log.restore({ transitions, gaps: [], completeAfter: { id: 0, at: 0 }, endedAt: 4000 })
  happen('b')
  assert.equal(log.lastId(), ahead + 1)
  assert.equal(told(log.find({})), 'b a')
})

test('the limits apply to the transitions of the previous process too', () => {
  const { log } = keep({ maxCount: 2, maxAgeMs: 10_000 })
  const transitions = [earlier(1, -9000, 'old'), earlier(2, 1, 'a'), earlier(3, 2, 'b'), earlier(4, 3, 'c')]
  log.restore({ transitions, gaps: [], completeAfter: { id: 0, at: -10_000 }, endedAt: 3 })
  assert.equal(told(log.find({})), 'c b')
  assert.equal(log.completeSince(), 1)
  assert.equal(log.after(1), null)
})

test('a transition left over from before the log was complete does not make it look complete', () => {
  const { log } = keep({ maxAgeMs: 6000 })
  const transitions = [earlier(1, -5000, 'left over'), earlier(9, 4000, 'a')]
  log.restore({ transitions, gaps: [], completeAfter: { id: 8, at: 3000 }, endedAt: 4000 })
  assert.equal(told(log.find({})), 'a')
  assert.equal(log.completeSince(), 3000)
})

test('gaps are kept as long as transitions, including the gap before this process', () => {
  const { log, clock } = keep({ maxAgeMs: 10_000 })
  const gaps = [{ from: -3000, to: -2000 }]
  const gap = log.restore({ transitions: [], gaps, completeAfter: { id: 0, at: -9000 }, endedAt: 1000 })
  assert.deepEqual(gap, { from: 1000, to: 5000 })
  assert.deepEqual(log.gaps(), [...gaps, { from: 1000, to: 5000 }])
  assert.equal(log.completeSince(), -9000)
  clock.advanceTo(8001)
  assert.deepEqual(log.gaps(), [{ from: 1000, to: 5000 }])
  assert.equal(log.completeSince(), -2000)
})

test('there is no gap if the previous process still ran when this one began', () => {
  const { log, clock } = keep()
  clock.advance(3000)
  assert.equal(log.restore({ transitions: [], gaps: [], completeAfter: { id: 0, at: 0 }, endedAt: 5000 }), null)
  assert.deepEqual(log.gaps(), [])
})

test('a client behind a transition that was not stored learns of the loss, and one at the last stored id misses nothing', () => {
  const { log, happen } = keep()
  const first = log.lastId()
  const transitions = [earlier(7, -2000, 'a')]
  log.restore({ transitions, gaps: [], completeAfter: { id: 6, at: -3000 }, endedAt: -1000 })
  assert.equal(log.lastId(), 7)
  happen('b', 'mq')
  assert.ok(log.lastId() > first)
  assert.equal(log.after(8), null)
  assert.equal(log.after(first - 1), null)
  assert.equal(told(log.after(7)), 'b')
  assert.equal(told(log.after(first)), 'b')
})
