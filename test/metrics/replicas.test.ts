import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ReplicaView } from '../../src/metrics/replicas.ts'
import { holdChecks, stoppedClock } from '../support/app.ts'
import { createParts, sampleReplica } from '../support/parts.ts'
import { familyOf, rendered } from './page.ts'
import { assertAccepted, noPromtool } from './promtool.ts'

function metricsOf(replica?: ReplicaView) {
  const clock = stoppedClock()
  return createParts({ prober: holdChecks(clock), clock, ...(replica === undefined ? {} : { replica }) }).metrics
}

test('promtool finds no problem in the page of a replica', { skip: noPromtool }, async () => {
  assertAccepted(await rendered(metricsOf(sampleReplica())))
})

test('a Porthole without other replicas has no series of replicas', async () => {
  assert.doesNotMatch(await rendered(metricsOf()), /porthole_replica_/)
})

test('a replica counts the live replicas and its own shards; while it is solo it counts itself alone', async () => {
  const read = async (replica: ReplicaView) => {
    const page = await rendered(metricsOf(replica))
    return ['solo', 'members', 'shards'].map((name) => familyOf(page, `porthole_replica_${name}`)[''])
  }
  assert.deepEqual(await read(sampleReplica()), [0, 2, 128])
  assert.deepEqual(await read(sampleReplica({ mode: 'joining', members: [], shards: 0 })), [0, 0, 0])
  assert.deepEqual(await read(sampleReplica({ mode: 'solo', shards: 0 })), [1, 1, 0])
})

test('renewals are counted by their result, and granted renewals are timed', async () => {
  const replica = sampleReplica()
  const metrics = metricsOf(replica)
  const read = async () => {
    const page = await rendered(metrics)
    const timed = ['count', 'sum'].map(
      (part) => familyOf(page, `porthole_replica_lease_renewal_duration_seconds_${part}`)[''],
    )
    return [familyOf(page, 'porthole_replica_lease_renewals_total'), timed]
  }
  assert.deepEqual(await read(), [{ '{result="granted"}': 0, '{result="failed"}': 0 }, [0, 0]])
  for (const [granted, elapsedMs] of [
    [true, 250],
    [true, 500],
    [false, 1000],
  ] as const)
    replica.renewed.emit({ granted, elapsedMs })
  assert.deepEqual(await read(), [{ '{result="granted"}': 2, '{result="failed"}': 1 }, [2, 0.75]])
})

test('rejected results are counted by their cause', async () => {
  const replica = { ...sampleReplica(), healthReplication: { refused: () => ({ fenced: 2, conflict: 3 }) } }
  const page = await rendered(metricsOf(replica))
  assert.deepEqual(familyOf(page, 'porthole_replica_refused_results_total'), {
    '{cause="old_token"}': 2,
    '{cause="conflict"}': 3,
  })
})
