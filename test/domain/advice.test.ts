import assert from 'node:assert/strict'
import { test } from 'node:test'
import { advise, advisesSameUntil } from '../../src/domain/advice.ts'
import { sampleOutcome, samplePolicy } from '../samples.ts'

const minutes = 60_000

test('a timeout that leaves no room for a second SYN is said, one that does is not', () => {
  assert.equal(
    advise(samplePolicy({ timeout: 1099 }), null, null, 0),
    'a timeout of 1099ms leaves no room for one lost packet, which Linux sends again after 1s',
  )
  assert.equal(advise(samplePolicy({ timeout: 1100 }), null, null, 0), null)
})

test('a lost SYN of a target that answered is told for ten minutes, before anything else', () => {
  const policy = samplePolicy({ timeout: 500 })
  assert.match(advise(policy, null, 5, 5 + 10 * minutes - 1) ?? '', /^packets are being lost on the way: /)
  assert.match(advise(policy, null, 5, 5 + 10 * minutes) ?? '', /^a timeout of 500ms /)
})

test('a peer that reset what it accepted is told before all else, until a check ends otherwise', () => {
  const policy = samplePolicy({ timeout: 500 })
  for (const code of ['ECONNRESET', 'EPIPE']) {
    const outcome = { ...sampleOutcome('connected', 5), code }
    assert.match(advise(policy, outcome, 5, 6) ?? '', /^the peer reset the connection at once: /)
  }
  assert.match(advise(policy, sampleOutcome('connected', 7), null, 8) ?? '', /^a timeout of /)
  assert.match(
    advise(policy, { ...sampleOutcome('refused', 7), code: 'ECONNREFUSED' }, null, 8) ?? '',
    /^a timeout of /,
  )
})

test('a SYN proxy is told of while it answers', () => {
  const policy = samplePolicy({ timeout: 5000 })
  const outcome = sampleOutcome('connected', 5, { answer: 'zero-window' })
  assert.match(advise(policy, outcome, null, 6) ?? '', /^a SYN proxy seems to answer for the target /)
  assert.match(
    advise(policy, { ...outcome, code: 'ECONNRESET' }, null, 6) ?? '',
    /^the peer reset the connection at once: /,
  )
  assert.equal(advise(policy, sampleOutcome('connected', 7, { answer: 'syn-ack' }), null, 8), null)
})

test('advice changes by itself only when a lost SYN is forgotten', () => {
  assert.equal(advisesSameUntil(5, 6), 5 + 10 * minutes)
  assert.equal(advisesSameUntil(5, 5 + 10 * minutes), Number.POSITIVE_INFINITY)
  assert.equal(advisesSameUntil(null, 6), Number.POSITIVE_INFINITY)
})
