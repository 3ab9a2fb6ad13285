import type { Metric, Registry as Register } from 'prom-client'

type Labels = Readonly<Record<string, string | number>>

/** The counts of one series of a histogram. */
export type HistogramSeries = {
  readonly labels: Labels
  /** The number of values in each bucket, not cumulative: above the previous bound and up to this one. The last counts values above all bounds. */
  readonly counts: number[]
  sum: number
}

/**
 * A histogram with its own counts. prom-client's `observe` sorts and hashes the labels every time. That takes a third of the time of a
 * request that is answered from memory, and a twentieth of the time of a check.
 */
export type Histogram = {
  /** Adds a series. The caller stores it, and passes it to `observe`. */
  series(labels?: Labels): HistogramSeries
  observe(series: HistogramSeries, value: number): void
}

/** Adds a histogram to a register. `bounds` are the upper bounds of its buckets, in ascending order. */
export function addHistogram(
  register: Register,
  { name, help, bounds }: { name: string; help: string; bounds: readonly number[] },
): Histogram {
  const all: HistogramSeries[] = []

  function rowsOf({ labels, counts, sum }: HistogramSeries) {
    let total = 0
    const buckets = counts.map((count, index) => {
      total += count
      return { metricName: `${name}_bucket`, labels: { le: bounds[index] ?? '+Inf', ...labels }, value: total }
    })
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value: total },
    ]
  }

  const get = () => Promise.resolve({ name, help, type: 'histogram', values: all.flatMap(rowsOf) })
  register.registerMetric({ name, get } as unknown as Metric)

  return {
    series(labels = {}) {
      const one = { labels, counts: new Array<number>(bounds.length + 1).fill(0), sum: 0 }
      all.push(one)
      return one
    },
    observe(series, value) {
      let bucket = 0
      while (bucket < bounds.length && value > (bounds[bucket] ?? 0)) bucket++
      series.counts[bucket] = (series.counts[bucket] ?? 0) + 1
      series.sum += value
    },
  }
}
