import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  defaultExpireAfterMs,
  dueStep,
  expiredLifetime,
  type Lifetime,
  renewedLifetime,
} from '../../src/domain/lifetime.ts'

const now = 50_000
const cases: [why: string, times: { ttl?: number; expireAfter?: number }, of: 'renewed' | 'expired', due: string][] = [
  ['a registration without a ttl holds for good', {}, 'renewed', 'null null'],
  ['one with a ttl is expired when that ends', { ttl: 1000 }, 'renewed', '1000 expire'],
  ['one that is not to stay is deregistered then', { ttl: 1000, expireAfter: 0 }, 'renewed', '1000 deregister'],
  ['an expired one is deregistered after its expireAfter', { ttl: 1000, expireAfter: 7 }, 'expired', '7 deregister'],
  ['or after 10 minutes', { ttl: 1000 }, 'expired', `${defaultExpireAfterMs} deregister`],
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

test('an expired registration tells when it expired, which is never yet to come', () => {
  const expiresAt = (lifetime: Lifetime) => lifetime.expiresAt
  assert.equal(expiresAt(expiredLifetime({ ttl: 1000 }, now - 5000, now)), now - 5000)
  assert.equal(expiresAt(expiredLifetime({ ttl: 1000 }, now + 5000, now)), now)
})
