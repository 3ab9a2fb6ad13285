import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Attempt, describeAttempt, outcomeOfAttempts } from '../../../src/domain/check/attempts.ts'
import type { Reason } from '../../../src/domain/check/outcome.ts'
import { sampleOutcome } from '../../support/samples.ts'

const v4 = '10.0.0.5:5432'
const v6 = '[fd00::5]:5432'

function attempt(address: string, reason: Reason, more: Partial<Attempt> = {}): Attempt {
  return { ...sampleOutcome(reason, 3000, { startedAt: 1000, latencyMs: null }), ...more, address }
}

const refused = (address: string) => attempt(address, 'refused', { latencyMs: 0.05, answer: 'rst' })
const withoutRoute = (address: string, code = 'ENETUNREACH') => attempt(address, 'local', { code })

test('the first attempt gives the reason, and the note describes the others', () => {
  const { reason, address, note, startedAt } = outcomeOfAttempts([refused(v6), attempt(v4, 'timeout')], 900)
  assert.deepEqual([reason, address, startedAt], ['refused', v6, 900])
  assert.equal(note, '10.0.0.5:5432: no answer in 2.0 s')
})

test('the check ends with the last of its attempts', () => {
  const { endedAt } = outcomeOfAttempts([refused(v6), attempt(v4, 'timeout', { endedAt: 3100 })], 900)
  assert.equal(endedAt, 3100)
})

test('an attempt that could not be judged makes the check unknown', () => {
  const full = attempt(v4, 'local', { code: 'EMFILE' })
  const { reason, code, address, note } = outcomeOfAttempts([refused(v6), full], 900)
  assert.deepEqual([reason, code, address], ['local', 'EMFILE', v4])
  assert.equal(note, '[fd00::5]:5432: nothing listens (RST in 0.05 ms)')
})

test('a denied address makes the check unknown too', () => {
  const denied = attempt(v4, 'denied', { code: 'loopback' })
  assert.equal(outcomeOfAttempts([refused(v6), denied], 900).reason, 'denied')
})

for (const code of ['ENETUNREACH', 'EHOSTUNREACH', 'EADDRNOTAVAIL', 'EAFNOSUPPORT']) {
  test(`a family without a route (${code}) does not count beside the other family`, () => {
    const { reason, address, note } = outcomeOfAttempts([withoutRoute(v6, code), refused(v4)], 900)
    assert.deepEqual([reason, address], ['refused', v4])
    assert.equal(note, `[fd00::5]:5432: this machine has no route to it (${code})`)
  })
}

test('without a route for any family the check is our own fault', () => {
  assert.equal(outcomeOfAttempts([withoutRoute(v6), withoutRoute(v4)], 900).reason, 'local')
  assert.equal(outcomeOfAttempts([withoutRoute(v4), refused('10.0.0.6:5432')], 900).reason, 'local')
})

test('a firewall of this machine does not count as a missing route', () => {
  const icmp = { version: 6, type: 1, code: 1, from: 'fd00::1' } as const
  const rejected = attempt(v6, 'local', { code: 'EHOSTUNREACH', answer: 'icmp', icmp })
  assert.equal(outcomeOfAttempts([rejected, refused(v4)], 900).reason, 'local')
})

const phrases: readonly [Attempt, string][] = [
  [attempt(v4, 'connected', { latencyMs: 0.21 }), 'connected in 0.21 ms'],
  [attempt(v4, 'refused', { latencyMs: 0.3 }), 'refused in 0.30 ms'],
  [
    attempt(v4, 'rejected', { icmp: { version: 4, type: 3, code: 13, from: '10.0.0.1' } }),
    'a firewall rejects it (ICMP administratively prohibited from 10.0.0.1)',
  ],
  [attempt(v4, 'unreachable', { answer: 'no-neighbour' }), 'no neighbour has this address'],
  [attempt(v4, 'unreachable', { answer: 'no-next-hop' }), 'it, or the gateway on the way to it, does not answer'],
  [attempt(v4, 'local', { answer: 'no-gateway', code: '10.0.0.1' }), 'the gateway 10.0.0.1 does not answer'],
  [attempt(v4, 'unreachable', { code: 'EHOSTUNREACH' }), 'cannot be reached (EHOSTUNREACH)'],
  [attempt(v4, 'reset', { code: 'ECONNRESET' }), 'accepted the connection, then closed it (ECONNRESET)'],
  [attempt(v4, 'denied', { code: 'loopback' }), 'was not dialled (loopback)'],
  [attempt(v4, 'local', { code: 'EMFILE' }), 'could not be dialled (EMFILE)'],
]
for (const [of, phrase] of phrases) {
  test(`the phrase for an attempt that ended as ${of.reason}: ${phrase}`, () => {
    assert.equal(describeAttempt(of), `10.0.0.5:5432: ${phrase}`)
  })
}
