import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Reason, verdictOf } from '../../src/domain/outcome.ts'

test('only a connection is up, and our own faults and our own rules say nothing of the target', () => {
  const reasonsOf = (verdict: string) => Reason.options.filter((reason) => verdictOf(reason) === verdict)
  assert.deepEqual(reasonsOf('up'), ['connected'])
  assert.deepEqual(reasonsOf('unknown'), ['local', 'denied'])
  assert.equal(reasonsOf('down').length, Reason.options.length - 3)
})
