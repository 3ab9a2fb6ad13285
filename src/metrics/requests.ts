import type { Registry as Register } from 'prom-client'
import { addHistogram, type HistogramSeries } from './histogram.ts'

/** Records that an HTTP request was answered. `elapsedMs` is how long that took, in milliseconds. */
export type ObserveRequest = (method: string, route: string, statusCode: number, elapsedMs: number) => void

/** Adds the histogram of HTTP request durations. */
export function addRequestDurations(register: Register): ObserveRequest {
  const durations = addHistogram(register, {
    name: 'porthole_http_request_duration_seconds',
    help: 'How long HTTP requests took, by route.',
    bounds: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
  })
  const known = new Map<string, Map<string, Map<number, HistogramSeries>>>()

  /** Looks the series up in three nested maps, because building one combined key would cost more than three look-ups. */
  function seriesOf(method: string, route: string, statusCode: number): HistogramSeries {
    const routes = entry(known, method, () => new Map<string, Map<number, HistogramSeries>>())
    const statusCodes = entry(routes, route, () => new Map<number, HistogramSeries>())
    return entry(statusCodes, statusCode, () => durations.series({ method, route, status_code: statusCode }))
  }

  return (method, route, statusCode, elapsedMs) =>
    durations.observe(seriesOf(method, route, statusCode), elapsedMs / 1000)
}

/** Returns the value of a key. Makes and adds the value if it is missing. */
function entry<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}
