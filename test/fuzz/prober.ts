import fc from 'fast-check'
import { answers, reasons } from '../../src/domain/check/outcome.ts'
import type { Prober } from '../../src/prober/prober.ts'
import type { Clock } from '../../src/runtime/clock.ts'

const count = fc.nat({ max: 255 })
const latency = fc.double({ min: 0, max: 30_000, noNaN: true })
const evidence = {
  address: fc.constantFrom(null, '10.0.0.5:5432', '[2001:db8::1]:5432'),
  synRetransmits: fc.option(fc.nat({ max: 6 })),
  answer: fc.option(fc.constantFrom(...answers)),
  icmp: fc.option(
    fc.record({
      version: fc.constantFrom(4 as const, 6 as const),
      type: count,
      code: count,
      from: fc.option(fc.ipV4()),
    }),
  ),
}
const connected = {
  ...evidence,
  reason: fc.constant('connected' as const),
  latencyMs: latency,
  code: fc.constant(null),
  note: fc.constant(null),
  lookupMs: fc.option(latency),
  lookupFailedSince: fc.constant(null),
}
const failed = {
  ...evidence,
  reason: fc.constantFrom(...reasons.filter((reason) => reason !== 'connected')),
  latencyMs: fc.option(latency),
  code: fc.constantFrom(null, 'EMFILE', 'EAI_AGAIN', '169.254.0.0/16'),
  note: fc.constantFrom(null, '10.0.0.6:5432: no answer in 2.0 s'),
  lookupMs: fc.constant(null),
  lookupFailedSince: fc.option(fc.nat()),
}

/** Returns a prober that dials nothing. Each check ends at once with a random outcome of any kind, in an order that the seed decides. */
export function randomProber(clock: Clock, seed: number): Prober {
  const found = fc.sample(fc.oneof(fc.record(connected), fc.record(failed)), { seed, numRuns: 1000 })
  let checks = 0
  return {
    name: 'kernel',
    check(_request, ended) {
      const outcome = found[checks++ % found.length]
      const startedAt = clock.now()
      setImmediate(() => ended(outcome && { ...outcome, startedAt, endedAt: clock.now() }))
    },
    restarts: () => 0,
    close: async () => undefined,
  }
}
