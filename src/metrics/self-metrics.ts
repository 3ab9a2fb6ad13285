import { Counter, Gauge, type Registry as Register } from 'prom-client'
import type { Registry } from '../monitor/registry/registry.ts'
import type { StoreState } from '../store/retrying-store.ts'
import type { UnreadableEntries } from '../store/unreadable.ts'

/** The number of long answers of one kind that are under way, and how many were refused or cut off. */
type AnswerStats = { readonly underWay: number; readonly refused: number; readonly cutOff: number }

/** The parts of Porthole whose state the metrics show. `keeper` is null where there is no store. */
export type SelfMetricsParts = {
  readonly registry: Registry
  readonly retryingStore: { storeState(): StoreState } | null
  /** The entries of the store that cannot be read; null where there is no store. */
  readonly unreadable?: Pick<UnreadableEntries, 'count'> | null
  readonly streams: { stats(): { open: number; dropped: number } }
  /** The numbers of open HTTP connections, and of those closed to make room, by reason. */
  readonly connections?: { readonly max: number; stats(): { open: number; closed: Readonly<Record<string, number>> } }
  readonly answers?: { stats(): ReadonlyMap<string, AnswerStats> }
  /** Returns for how many milliseconds in total this process and its prober did not run. */
  readonly pausedMs?: () => { readonly process: number; readonly prober: number }
  /** Returns how many lines of the log were dropped so far. */
  readonly logLinesDropped?: () => number
}

const noPause = { process: 0, prober: 0 }
const noneUnreadable = { count: () => 0 }

/** Adds the metrics about Porthole itself, except for its checks. */
export function addSelfMetrics(
  {
    registry,
    retryingStore,
    unreadable = noneUnreadable,
    streams,
    connections,
    answers,
    pausedMs = () => noPause,
    logLinesDropped = () => 0,
  }: SelfMetricsParts,
  register: Register,
): void {
  const registers = [register]
  const gauge = (name: string, help: string, read: () => number) => {
    const metric: Gauge = new Gauge({ name, help, registers, collect: () => metric.set(read()) })
  }
  gauge(
    'porthole_registry_known',
    'Whether the registry was read since this process started; while 0, services and their series may be missing.',
    () => (registry.load.pending() === null ? 1 : 0),
  )
  if (retryingStore !== null) {
    gauge('porthole_store_up', 'Whether the store can be written; while 0, changes are refused.', () =>
      retryingStore.storeState().failure === null ? 1 : 0,
    )
    gauge(
      'porthole_store_waiting_transitions',
      'Transitions that are not in the store yet; they are lost if Porthole ends while the store cannot be written.',
      () => retryingStore.storeState().waiting,
    )
  }
  if (unreadable !== null) {
    gauge(
      'porthole_store_unreadable_entries',
      'Entries of the store that cannot be read. Porthole skips them and does not change them; mend or remove them.',
      unreadable.count,
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
  const droppedLines: Counter = new Counter({
    name: 'porthole_log_lines_dropped_total',
    help: 'Lines of the log that were dropped because its disk was full or its reader took nothing.',
    registers,
    collect: () => {
      droppedLines.reset()
      droppedLines.inc(logLinesDropped())
    },
  })
  if (answers !== undefined) addAnswerMetrics(answers, register)
}

function addAnswerMetrics({ stats }: NonNullable<SelfMetricsParts['answers']>, register: Register): void {
  const labelNames = ['kind']
  const registers = [register]
  const underWay: Gauge = new Gauge({
    name: 'porthole_long_answers',
    help: 'Answers of 64 kB or more that are being sent.',
    labelNames,
    registers,
    collect: () => {
      for (const [kind, { underWay: count }] of stats()) underWay.set({ kind }, count)
    },
  })
  const count = (name: string, help: string, read: (stats: AnswerStats) => number) => {
    const counter: Counter = new Counter({
      name,
      help,
      labelNames,
      registers,
      collect: () => {
        counter.reset()
        for (const [kind, ofKind] of stats()) counter.inc({ kind }, read(ofKind))
      },
    })
  }
  count(
    'porthole_long_answers_refused_total',
    'Answers of 64 kB or more that were refused with 503, because the maximum number was being sent.',
    ({ refused }) => refused,
  )
  count(
    'porthole_long_answers_cut_off_total',
    'Answers of 64 kB or more that were cut off, because their client read too slowly.',
    ({ cutOff }) => cutOff,
  )
}

function addConnections({ max, stats }: NonNullable<SelfMetricsParts['connections']>, register: Register): void {
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
    help: 'HTTP connections that were closed because the maximum number was open: before a request came (unused), between requests (idle), or at once because requests were under way on all others (full).',
    labelNames: ['reason'],
    registers,
    collect: () => {
      closed.reset()
      for (const [reason, count] of Object.entries(stats().closed)) closed.inc({ reason }, count)
    },
  })
}
