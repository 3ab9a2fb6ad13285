/** Compares docs/architecture.md and docs/replicas.md with the lease constants of the code. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { handoverMs } from '../src/domain/service/policy.ts'
import { leaseDurationMs, renewIntervalMs } from '../src/replicas/lease/leases.ts'
import { root, tableOf } from './support/readme.ts'

const sources = globSync('src/replicas/**/*.ts', { cwd: root }).map((name) => readFileSync(join(root, name), 'utf8'))
/** Returns the first group of a pattern in the sources of replicas. */
const found = (pattern: RegExp) => sources.flatMap((source) => pattern.exec(source)?.[1] ?? []).at(0)

const soloMs = Number(found(/\bsoloAfterMs = (\d+)$/m))
const renewDeadlineMs = (leaseDurationMs * Number(found(/ \* (\d)\) \/ 6$/m))) / 6
const inOrder = [renewIntervalMs, soloMs, renewDeadlineMs, leaseDurationMs, handoverMs]

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
