import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Gap } from '../../../src/domain/health/gap.ts'
import type { Pause } from '../../../src/domain/health/pause.ts'
import { sendHeartbeat } from '../../../src/replicas/lease/heartbeat.ts'
import type { Stored } from '../../../src/store/store.ts'
import { fakeClock } from '../../monitor/fakes.ts'

const leastTrustMs = 12_000

/**
 * Sends a heartbeat of one replica at instant 100,000. `lastBeat` is the last heartbeat of any replica, `pauses` are those of this one, as instants.
 */
async function heartbeat(lastHeartbeat: number | null, ofProcess: Pause[], failure?: string) {
  const clock = fakeClock()
  clock.advance(100_000 - clock.now())
  const kept: Gap[] = []
  const beats: number[] = []
  const answer = await sendHeartbeat({
    clock,
    pauses: { ofProcess, ofChecks: ofProcess },
    leastTrustMs: () => leastTrustMs,
    store: {
      async heartbeatAfter(now): Promise<Stored<number | null>> {
        beats.push(clock.fromEpoch(now))
        if (failure !== undefined) return { ok: false, failure }
        return { ok: true, value: lastHeartbeat === null ? null : clock.toEpoch(lastHeartbeat) }
      },
      async shareGap({ from, to }) {
        kept.push({ from: clock.fromEpoch(from), to: clock.fromEpoch(to) })
        return { ok: true, value: null }
      },
    },
  })
  assert.deepEqual(beats, [100_000])
  return { kept, answer }
}

const pause = { from: 69_000, to: 99_000 }

for (const { what, lastHeartbeat, pauses, kept } of [
  { what: 'all replicas were paused', lastHeartbeat: 66_000, pauses: [pause], kept: [pause] },
  {
    what: 'all replicas were paused, and this one twice',
    lastHeartbeat: 60_000,
    pauses: [{ from: 20_000, to: 50_000 }, { from: 62_000, to: 64_000 }, pause],
    kept: [{ from: 62_000, to: 99_000 }],
  },
  {
    what: 'another replica died while this one was paused',
    lastHeartbeat: 80_000,
    pauses: [pause],
    kept: [{ from: 80_000, to: 99_000 }],
  },
  { what: 'another replica continued', lastHeartbeat: 95_000, pauses: [pause], kept: [] },
  { what: 'another replica resumed before', lastHeartbeat: 99_900, pauses: [pause], kept: [] },
  { what: 'the store was away, and this one ran', lastHeartbeat: 50_000, pauses: [], kept: [] },
  {
    what: 'the store was away longer than this one was paused',
    lastHeartbeat: 50_000,
    pauses: [{ from: 90_000, to: 99_000 }],
    kept: [],
  },
  { what: 'the store is new', lastHeartbeat: null, pauses: [pause], kept: [] },
] as const) {
  test(`a heartbeat stores ${kept.length === 0 ? 'no gap' : 'a gap'} when ${what}`, async () => {
    assert.deepEqual(await heartbeat(lastHeartbeat, [...pauses]), { kept, answer: { ok: true, value: null } })
  })
}

test('a heartbeat that the store rejects stores no gap', async () => {
  const answer = { ok: false, failure: 'Redis is full' }
  assert.deepEqual(await heartbeat(66_000, [pause], 'Redis is full'), { kept: [], answer })
})
