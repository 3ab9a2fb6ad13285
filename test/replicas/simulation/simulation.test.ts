import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import { type Happened, simulate } from './simulation.ts'

const seed = Number(process.env.SIMULATION_SEED ?? randomInt(2 ** 31))
const again = `SIMULATION_SEED=${seed} npx -c 'node --test test/replicas/simulation/simulation.test.ts'`
const sound = { rates: [0.9, 1.1], passesOver: true } as const

test('no shard ever has two owners, whatever clocks, networks and processes do, and each has one soon after the faults end', async (t) => {
  t.diagnostic(again)
  const schedules = 1000
  const totals: Partial<Happened> = {}
  let longest = 0
  for (let n = 0; n < schedules; n++) {
    const { overlap, settledMs, happened } = await simulate(`${seed} ${n}`, sound)
    assert.equal(overlap, null, `schedule ${n}: ${overlap}\n${again}`)
    assert.ok(settledMs !== null, `schedule ${n}: a shard has no owner 10 s after the faults stopped\n${again}`)
    longest = Math.max(longest, settledMs)
    for (const [what, times] of Object.entries(happened) as [keyof Happened, number][])
      totals[what] = (totals[what] ?? 0) + times
  }
  t.diagnostic(`${schedules} schedules: ${JSON.stringify(totals)}`)
  t.diagnostic(`every shard had its owner after ${Math.round(longest)} ms at most`)
  for (const [what, times] of Object.entries(totals)) assert.ok(times > schedules / 10, `${what}: only ${times} times`)
})

for (const [what, physics] of [
  ['clocks run at half the rate of the store', { ...sound, rates: [0.5, 0.5] }],
  ['the store accepts late renewals', { ...sound, passesOver: false }],
] as const) {
  test(`the simulation finds two owners if ${what}`, async (t) => {
    t.diagnostic(again)
    let n = 0
    while (n < 200 && (await simulate(`${seed} ${n}`, physics)).overlap === null) n++
    assert.ok(n < 200, `none in ${n} schedules\n${again}`)
    t.diagnostic(`the first were found in schedule ${n}`)
  })
}
