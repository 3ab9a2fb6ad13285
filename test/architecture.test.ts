/** Compares docs/architecture.md and docs/replicas.md with the lease constants of the code. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { handoverMs } from '../src/domain/service/policy.ts'
import { leaseDurationMs, renewDeadlineMs, renewIntervalMs, soloAfterMs } from '../src/replicas/lease/times.ts'
import { tableOf } from './support/readme.ts'

const inOrder = [renewIntervalMs, soloAfterMs, renewDeadlineMs, leaseDurationMs, handoverMs]

test('each lease constant is larger than the one before it', () => {
  assert.deepEqual(
    inOrder.toSorted((a, b) => a - b),
    inOrder,
  )
  assert.equal(new Set(inOrder).size, inOrder.length)
})

test('the tables of lease constants have the values of the code', () => {
  const texts = inOrder.map((ms) => `${ms / 1000} s`)
  assert.deepEqual(
    tableOf('| constant | value | where |').map(([, value]) => value),
    texts,
  )
  assert.deepEqual(
    tableOf('| time | constant | what happens then |').map(([time]) => time),
    texts,
  )
})
