import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextFound, nothingFound } from '../../src/monitor/found.ts'

test('a failed look-up neither counts as a missing name nor breaks a row of them', () => {
  const missing = { code: 'ENOTFOUND' }
  let found = nextFound(nothingFound, { addresses: ['10.0.0.1'] }, 2)
  const read = () => [found.ips.length, found.misses, found.failure]
  for (const [resolution, ips, misses, failure] of [
    [{ code: 'EAI_AGAIN' }, 1, 0, 'EAI_AGAIN'],
    [missing, 1, 1, null],
    [null, 1, 1, 'timeout'],
    [missing, 0, 2, null],
    [{ addresses: ['10.0.0.1'] as const }, 1, 0, null],
  ] as const) {
    found = nextFound(found, resolution, 2)
    assert.deepEqual(read(), [ips, misses, failure])
  }
})
