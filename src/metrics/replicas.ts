import { Counter, Gauge, type Registry as Register } from 'prom-client'
import type { Replica } from '../replicas/replica.ts'
import { addHistogram } from './histogram.ts'

/** The part of a replica that the metrics read. */
export type ReplicaView = Pick<Replica, 'replicaStatus' | 'renewed'> & {
  readonly healthReplication: Pick<Replica['healthReplication'], 'refused'>
}

/** Adds the metrics about this replica: its mode, its leases, and its rejected results. */
export function addReplicaMetrics(replica: ReplicaView, register: Register): void {
  const registers = [register]
  const gauge = (name: string, help: string, read: () => number) => {
    const metric: Gauge = new Gauge({ name, help, registers, collect: () => metric.set(read()) })
  }
  gauge(
    'porthole_replica_solo',
    'Whether this replica checks everything itself, because it cannot reach the shared store.',
    () => (replica.replicaStatus().mode === 'solo' ? 1 : 0),
  )
  gauge('porthole_replica_members', 'How many replicas are live, as this replica last read.', () =>
    replica.replicaStatus().mode === 'solo' ? 1 : replica.replicaStatus().members.length,
  )
  gauge(
    'porthole_replica_shards',
    'How many of the 256 shards of the services this replica holds the lease of.',
    () => replica.replicaStatus().shards,
  )
  const counts = { granted: 0, failed: 0 }
  const renewals: Counter = new Counter({
    name: 'porthole_replica_lease_renewals_total',
    help: 'Renewals of the leases of this replica, by result.',
    labelNames: ['result'],
    registers,
    collect: () => {
      renewals.reset()
      for (const [result, count] of Object.entries(counts)) renewals.inc({ result }, count)
    },
  })
  const durations = addHistogram(register, {
    name: 'porthole_replica_lease_renewal_duration_seconds',
    help: 'How long the granted renewals of the leases took.',
    bounds: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
  })
  const ofAll = durations.series()
  replica.renewed.subscribe(({ granted, elapsedMs }) => {
    counts[granted ? 'granted' : 'failed']++
    if (granted) durations.observe(ofAll, elapsedMs / 1000)
  })
  const refused: Counter = new Counter({
    name: 'porthole_replica_refused_results_total',
    help: 'Results of this replica that were rejected: another replica held the lease (old_token), or published a result first (conflict).',
    labelNames: ['cause'],
    registers,
    collect: () => {
      refused.reset()
      const { fenced, conflict } = replica.healthReplication.refused()
      refused.inc({ cause: 'old_token' }, fenced)
      refused.inc({ cause: 'conflict' }, conflict)
    },
  })
}
