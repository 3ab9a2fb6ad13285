import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Outcome } from '../../../src/domain/check/outcome.ts'
import { createDialRules } from '../../../src/domain/target/dial-rules.ts'
import { createResolver } from '../../../src/prober/lookup/resolver.ts'
import { createPortableProber } from '../../../src/prober/portable.ts'
import { awaitOutcome, type CheckRequest } from '../../../src/prober/prober.ts'
import { type Clock, systemClock } from '../../../src/runtime/clock.ts'
import { sampleOutcome } from '../../support/samples.ts'
import { listen, targetOf } from '../contract.ts'

const hour = 3_600_000
const toldHeld = /the name has not resolved since \d\d:\d\d UTC; checking the last known address$/

type Answer = readonly string[] | string | null

/** Builds a prober without a cache whose look-ups the test answers: with addresses, the name of an error, or null for silence. */
async function build(t: TestContext, more: Partial<CheckRequest> = {}) {
  const system = systemClock()
  let ahead = 0
  const clock: Clock = {
    now: () => system.now() + ahead,
    toEpoch: (instant) => system.toEpoch(instant - ahead),
    fromEpoch: (epochMs) => system.fromEpoch(epochMs) + ahead,
  }
  let answer: Answer = null
  let waiting: ((answer: Answer) => void)[] = []
  const lookup = async (): Promise<readonly string[]> => {
    const said = answer ?? (await new Promise<Answer>((done) => waiting.push(done)))
    if (said !== null && typeof said !== 'string') return said
    throw Object.assign(new Error('look-up failed'), { code: said })
  }
  const createProber = () => {
    const resolver = createResolver({ clock, lookup, lifetimeMs: 0, failureLifetimeMs: 0 })
    const prober = createPortableProber({ clock, resolver })
    t.after(() => prober.close())
    return prober
  }
  const port = await listen(t, '127.0.0.1')
  const memory: { health: { lastOutcome: Outcome | null } } = { health: { lastOutcome: null } }
  const target = targetOf('db', port)
  let prober = createProber()
  return {
    port,
    memory,
    clock,
    say(next: Answer) {
      answer = next
    },
    /** Answers the look-ups that wait. */
    async answerLate(late: Answer) {
      for (const done of waiting) done(late)
      waiting = []
      await new Promise((done) => setTimeout(done, 20))
    },
    advance(ms: number) {
      ahead += ms
    },
    /** Builds a prober as after a restart, with only the state of the target. */
    restart() {
      prober = createProber()
    },
    async check(timeoutMs = 400): Promise<Outcome> {
      const request = { target, timeoutMs, close: 'rst', urgent: true, memory, lookupHoldMs: hour, ...more } as const
      const outcome = await awaitOutcome(prober, request)
      assert.ok(outcome)
      memory.health.lastOutcome = outcome
      return outcome
    },
  }
}

for (const code of ['EAI_AGAIN', 'EAI_FAIL']) {
  test(`the last known addresses are checked while look-ups fail with ${code}, and the outcome says so`, async (t) => {
    const { say, check, port } = await build(t)
    say(['127.0.0.1'])
    const before = await check()
    assert.deepEqual([before.reason, before.note, before.lookupFailedSince], ['connected', null, null])
    say(code)
    const first = await check()
    assert.deepEqual([first.reason, first.address], ['connected', `127.0.0.1:${port}`])
    assert.match(first.note ?? '', toldHeld)
    assert.equal(first.lookupFailedSince, first.startedAt)
    const second = await check()
    assert.equal(second.lookupFailedSince, first.startedAt, 'since the first failure')
    say(['127.0.0.1'])
    const after = await check()
    assert.deepEqual([after.reason, after.note, after.lookupFailedSince], ['connected', null, null])
  })
}

test('all last known addresses are checked, and the note describes their results', async (t) => {
  const { say, check } = await build(t)
  say(['127.0.0.2', '127.0.0.3'])
  await check()
  say('EAI_AGAIN')
  const { reason, note } = await check()
  assert.equal(reason, 'refused')
  assert.match(note ?? '', /^127\.0\.0\.3:\d+: refused in [\d.]+ ms; the name has not resolved since /)
})

test('a name with another address is checked there at once', async (t) => {
  const { say, check, port } = await build(t)
  say(['127.0.0.2'])
  await check()
  say('EAI_AGAIN')
  await check()
  say(['127.0.0.1'])
  assert.equal((await check()).address, `127.0.0.1:${port}`)
})

test('an answer that a name does not exist ends the hold', async (t) => {
  const { say, check } = await build(t)
  say(['127.0.0.1'])
  await check()
  say('ENOTFOUND')
  const gone = await check()
  assert.deepEqual([gone.reason, gone.address, gone.lookupFailedSince], ['dns', null, null])
  say('EAI_AGAIN')
  const failed = await check()
  assert.deepEqual([failed.reason, failed.address, failed.note], ['local', null, null])
})

test('a name that was never looked up cannot be checked', async (t) => {
  const { say, check } = await build(t)
  say('EAI_AGAIN')
  const { reason, code, address, note, lookupFailedSince } = await check()
  assert.deepEqual([reason, code, address, note, lookupFailedSince], ['local', 'EAI_AGAIN', null, null, null])
})

test('after a restart the address of the last outcome is checked, and the start of the failure is kept', async (t) => {
  const { say, check, restart, port } = await build(t)
  say(['127.0.0.1'])
  await check()
  say('EAI_AGAIN')
  const { lookupFailedSince } = await check()
  restart()
  const after = await check()
  assert.deepEqual([after.reason, after.address], ['connected', `127.0.0.1:${port}`])
  assert.equal(after.lookupFailedSince, lookupFailedSince)
})

test('after the hold nothing is dialled until a look-up succeeds', async (t) => {
  const { say, check, advance } = await build(t)
  say(['127.0.0.1'])
  await check()
  say('EAI_AGAIN')
  const { lookupFailedSince } = await check()
  advance(hour)
  for (let round = 0; round < 2; round++) {
    const over = await check()
    assert.deepEqual([over.reason, over.code, over.address, over.note], ['local', 'EAI_AGAIN', null, null])
    assert.equal(over.lookupFailedSince, lookupFailedSince)
  }
  say(['127.0.0.1'])
  assert.equal((await check()).reason, 'connected')
})

test('without a hold, a name whose look-up fails is not dialled', async (t) => {
  const { say, check } = await build(t, { lookupHoldMs: 0 })
  say(['127.0.0.1'])
  await check()
  say('EAI_AGAIN')
  assert.equal((await check()).reason, 'local')
})

test('a last known address that the rules now deny is not dialled', async (t) => {
  const { say, check, memory, port } = await build(t, { rules: createDialRules({}) })
  memory.health.lastOutcome = sampleOutcome('connected', 0, { address: `127.0.0.1:${port}` })
  say('EAI_AGAIN')
  const { reason, code } = await check()
  assert.deepEqual([reason, code], ['denied', 'loopback'])
})

test('a stored address that is not a literal address is not dialled', async (t) => {
  const { say, check, memory } = await build(t)
  for (const address of ['other:5432', 'nonsense', '']) {
    memory.health.lastOutcome = sampleOutcome('connected', 0, { address })
    say('EAI_AGAIN')
    const { reason, address: dialled } = await check()
    assert.deepEqual([reason, dialled], ['local', null])
  }
})

test('a silent look-up leaves time for the last known address, and a second one in a row is a failure', async (t) => {
  const { say, check, port } = await build(t)
  say(['127.0.0.1'])
  await check()
  say(null)
  const first = await check(60_000)
  assert.deepEqual([first.reason, first.address, first.lookupFailedSince], ['connected', `127.0.0.1:${port}`, null])
  const second = await check(60_000)
  assert.deepEqual([second.reason, second.lookupFailedSince], ['connected', first.startedAt])
  assert.match(second.note ?? '', toldHeld)
})

test('a slow look-up is not a failure, and its answer counts from the next check on', async (t) => {
  const { say, check, answerLate, port } = await build(t)
  say(['127.0.0.2'])
  await check()
  say(null)
  const first = await check(60_000)
  assert.equal(first.address, `127.0.0.2:${port}`)
  await answerLate(['127.0.0.1'])
  const second = await check(60_000)
  assert.deepEqual([second.address, second.note, second.lookupFailedSince], [`127.0.0.1:${port}`, null, null])
  assert.ok((second.lookupMs ?? 0) >= (first.lookupMs ?? 0), 'the slow look-up is told of')
})

test('a literal address needs no look-up', async (t) => {
  const { check } = await build(t, { target: targetOf('127.0.0.1', 1) })
  assert.equal((await check()).lookupMs, null)
})
