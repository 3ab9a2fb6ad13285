import { Counter, Gauge, type Registry as Register } from 'prom-client'
import type { Registry } from '../monitor/registry.ts'
import type { Keeping } from '../store/keeper.ts'

/** What may be asked how it does: what is kept, and who reads events. Null where nothing is kept. */
export type OwnParts = {
  readonly registry: Registry
  readonly keeper: { keeping(): Keeping } | null
  readonly streams: { stats(): { open: number; dropped: number } }
  /** HTTP connections, and how many were closed to make room, by reason. */
  readonly connections?: { readonly max: number; stats(): { open: number; closed: Readonly<Record<string, number>> } }
  /** How long this process and its prober did not run so far, in milliseconds. */
  readonly pausedMs?: () => { readonly process: number; readonly prober: number }
}

const noPause = { process: 0, prober: 0 }

/** Adds what tells how Porthole itself does, the checks apart. */
export function addOwnMetrics(
  { registry, keeper, streams, connections, pausedMs = () => noPause }: OwnParts,
  register: Register,
): void {
  const registers = [register]
  const gauge = (name: string, help: string, read: () => number) => {
    const metric: Gauge = new Gauge({ name, help, registers, collect: () => metric.set(read()) })
  }
  gauge(
    'porthole_registry_known',
    'Whether the registry was read since this process began; while 0 services and their series may be missing.',
    () => (registry.load.pending() === null ? 1 : 0),
  )
  if (keeper !== null) {
    gauge('porthole_store_up', 'Whether the store keeps what it is given; while 0 changes are refused.', () =>
      keeper.keeping().failure === null ? 1 : 0,
    )
    gauge(
      'porthole_store_waiting_transitions',
      'Transitions that are not in the store yet; they are lost if Porthole ends while it cannot be written.',
      () => keeper.keeping().waiting,
    )
  }
  gauge('porthole_event_streams', 'Readers of the event stream.', () => streams.stats().open)
  if (connections !== undefined) addConnections(connections, register)
  const paused: Counter = new Counter({
    name: 'porthole_pause_seconds_total',
    help: 'How long Porthole, or its prober alone, did not run although it was alive: stopped, suspended, or starved for a second or more.',
    labelNames: ['part'],
    registers,
    collect: () => {
      paused.reset()
      for (const [part, ms] of Object.entries(pausedMs())) paused.inc({ part }, ms / 1000)
    },
  })
  const dropped: Counter = new Counter({
    name: 'porthole_event_streams_dropped_total',
    help: 'Readers of the event stream that were disconnected because they were too slow.',
    registers,
    collect: () => {
      dropped.reset()
      dropped.inc(streams.stats().dropped)
    },
  })
}

function addConnections({ max, stats }: NonNullable<OwnParts['connections']>, register: Register): void {
  const registers = [register]
  const open: Gauge = new Gauge({
    name: 'porthole_http_connections',
    help: 'HTTP connections that are open.',
    registers,
    collect: () => open.set(stats().open),
  })
  new Gauge({
    name: 'porthole_http_connections_max',
    help: 'How many HTTP connections may be open at once, as the limit of file descriptors allows.',
    registers,
  }).set(max)
  const closed: Counter = new Counter({
    name: 'porthole_http_connections_closed_total',
    help: 'HTTP connections that were closed because as many were open as may be: before a request came (unused), between requests (idle), or at once because requests were under way on all others (full).',
    labelNames: ['reason'],
    registers,
    collect: () => {
      closed.reset()
      for (const [reason, count] of Object.entries(stats().closed)) closed.inc({ reason }, count)
    },
  })
}
