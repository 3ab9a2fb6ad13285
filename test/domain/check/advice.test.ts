import assert from 'node:assert/strict'
import { test } from 'node:test'
import { adviceValidUntil, advise, isSlowLookUp, noIncidents } from '../../../src/domain/check/advice.ts'
import { sampleOutcome, samplePolicy } from '../../support/samples.ts'

const minutes = 60_000
const none = noIncidents
const loss = { ...none, lossAt: 5 }

test('a timeout gets advice only if it leaves no room for a second SYN', () => {
  assert.equal(
    advise(samplePolicy({ timeout: 1099 }), null, none, 0),
    'a timeout of 1099ms leaves no room for one lost packet, which Linux sends again after 1s',
  )
  assert.equal(advise(samplePolicy({ timeout: 1100 }), null, none, 0), null)
})

test('for ten minutes advice mentions a lost SYN of a target that answered, rather than a short timeout', () => {
  const policy = samplePolicy({ timeout: 500 })
  assert.match(advise(policy, null, loss, 5 + 10 * minutes - 1) ?? '', /^packets are being lost on the way: /)
  assert.match(advise(policy, null, loss, 5 + 10 * minutes) ?? '', /^a timeout of 500ms /)
})

test('advice on a peer that resets what it accepted comes first, until a check ends differently', () => {
  const policy = samplePolicy({ timeout: 500 })
  for (const code of ['ECONNRESET', 'EPIPE']) {
    const outcome = { ...sampleOutcome('connected', 5), code }
    assert.match(advise(policy, outcome, loss, 6) ?? '', /^the peer reset the connection at once: /)
  }
  assert.match(advise(policy, sampleOutcome('connected', 7), none, 8) ?? '', /^a timeout of /)
  assert.match(
    advise(policy, { ...sampleOutcome('refused', 7), code: 'ECONNREFUSED' }, none, 8) ?? '',
    /^a timeout of /,
  )
})

test('advice mentions a SYN proxy while it answers', () => {
  const policy = samplePolicy({ timeout: 5000 })
  const outcome = sampleOutcome('connected', 5, { answer: 'zero-window' })
  assert.match(advise(policy, outcome, none, 6) ?? '', /^a SYN proxy seems to answer for the target /)
  assert.match(
    advise(policy, { ...outcome, code: 'ECONNRESET' }, none, 6) ?? '',
    /^the peer reset the connection at once: /,
  )
  assert.equal(advise(policy, sampleOutcome('connected', 7, { answer: 'syn-ack' }), none, 8), null)
})

test('advice changes by itself only when a lost SYN is ten minutes old', () => {
  assert.equal(adviceValidUntil(loss, 6), 5 + 10 * minutes)
  assert.equal(adviceValidUntil(loss, 5 + 10 * minutes), Number.POSITIVE_INFINITY)
  assert.equal(adviceValidUntil(none, 6), Number.POSITIVE_INFINITY)
})

test('for ten minutes advice mentions a look-up that took more than half of the timeout, after lost packets', () => {
  const policy = samplePolicy({ timeout: 2000 })
  const slow = { ...none, slowLookupAt: 5 }
  const told =
    'the resolver is slow: within the last 10 minutes a look-up of the name took more than half of the timeout of 2s'
  assert.equal(advise(policy, null, slow, 5 + 10 * minutes - 1), told)
  assert.equal(advise(policy, null, slow, 5 + 10 * minutes), null)
  assert.match(advise(policy, null, { lossAt: 5, slowLookupAt: 6 }, 7) ?? '', /^packets are being lost/)
  assert.equal(adviceValidUntil({ lossAt: 7, slowLookupAt: 5 }, 8), 5 + 10 * minutes)
  assert.deepEqual([isSlowLookUp(1000, policy), isSlowLookUp(1001, policy)], [false, true])
})
