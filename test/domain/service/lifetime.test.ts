import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  defaultExpireAfterMs,
  dueStep,
  expiredLifetime,
  type Lifetime,
  renewedLifetime,
} from '../../../src/domain/service/lifetime.ts'

const now = 50_000
const cases: [why: string, times: { ttl?: number; expireAfter?: number }, of: 'renewed' | 'expired', due: string][] = [
  ['a registration without a ttl never expires', {}, 'renewed', 'null null'],
  ['a registration with a ttl expires when the ttl ends', { ttl: 1000 }, 'renewed', '1000 expire'],
  [
    'a registration with an expireAfter of 0 is deregistered when the ttl ends',
    { ttl: 1000, expireAfter: 0 },
    'renewed',
    '1000 deregister',
  ],
  [
    'an expired registration is deregistered after its expireAfter',
    { ttl: 1000, expireAfter: 7 },
    'expired',
    '7 deregister',
  ],
  [
    'an expired registration without an expireAfter is deregistered after 10 minutes',
    { ttl: 1000 },
    'expired',
    `${defaultExpireAfterMs} deregister`,
  ],
]

for (const [why, times, of, due] of cases) {
  test(why, () => {
    const lifetime = of === 'renewed' ? renewedLifetime(times, now) : expiredLifetime(times, now - 5000, now)
    assert.equal(lifetime.isExpired, of === 'expired')
    const at = lifetime.dueAt ?? Number.POSITIVE_INFINITY
    assert.equal(dueStep(lifetime, times, at - 1), null)
    const step = dueStep(lifetime, times, at)
    assert.equal(`${lifetime.dueAt === null ? null : at - now} ${step}`, due)
  })
}

test('an expired registration has the time of its expiry, which is never in the future', () => {
  const expiresAt = (lifetime: Lifetime) => lifetime.expiresAt
  assert.equal(expiresAt(expiredLifetime({ ttl: 1000 }, now - 5000, now)), now - 5000)
  assert.equal(expiresAt(expiredLifetime({ ttl: 1000 }, now + 5000, now)), now)
})
