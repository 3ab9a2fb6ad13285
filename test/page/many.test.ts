/** The page of ten thousand services. The test prints how long it takes, and does not fail on a slow machine. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Prober } from '../../src/prober/prober.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { build } from '../support/app.ts'
import { sampleOutcome, sampleService } from '../support/samples.ts'
import { longestTaskMs, noChromium, startBrowser, timeKey } from './browser.ts'

const total = 10_000

test('a page of ten thousand services can be searched, and shows their changes', { skip: noChromium }, async (t) => {
  const clock = systemClock()
  const down = new Set<number>([101])
  const prober: Prober = {
    name: 'portable',
    check({ target }, ended) {
      const reason = down.has(target.port) ? 'refused' : 'connected'
      queueMicrotask(() => ended(sampleOutcome(reason, clock.now(), { latencyMs: target.port % 7 })))
    },
    restarts: () => 0,
    close: async () => {},
  }
  const services = Array.from({ length: total }, (_, index) =>
    sampleService(`service-${index}`, [`10.0.${index >> 8}.${index & 255}:${100 + index}`], {
      groups: [`team-${index % 40}`],
      // No schedule checks the targets, and they must not go stale on a slow machine.
      interval: 3_600_000,
      rise: 1,
      fall: 1,
    }),
  )
  const { sweep, listen } = await build(t, services, { clock, prober })
  await sweep()
  const url = await listen()
  const open = await startBrowser(t)
  const { page, complaints } = await open(url)
  await page.locator('#live[data-live="yes"]').waitFor()
  assert.equal(await page.locator('.headline h1').textContent(), '1 of 10000 services down')
  const paintedMs = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0)

  await page.keyboard.press('/')
  const keys = []
  for (const key of 'service-777') keys.push(await timeKey(page, key))
  assert.equal(await page.locator('.shown').textContent(), `11 of ${total}`)
  await page.keyboard.press('Escape')
  await page.locator('.shown').getByText(String(total), { exact: true }).waitFor()

  // Twenty services a second go down and come back, for three seconds.
  for (let round = 0; round < 30; round++) {
    for (const port of [200 + round, 201 + round]) {
      if (!down.delete(port)) down.add(port)
      await sweep(`service-${port - 100}`)
    }
    await page.waitForTimeout(100)
  }
  await page.locator('.headline h1').getByText(`${down.size} of 10000 services down`).waitFor()
  const median = (of: number[]) => of.sort((a, b) => a - b)[of.length >> 1]?.toFixed(0)
  t.diagnostic(
    [
      `first paint ${paintedMs.toFixed(0)} ms`,
      `a key in the search: the next can come after ${median(keys.map(({ takenMs }) => takenMs))} ms, found after ${median(keys.map(({ shownMs }) => shownMs))} ms (medians)`,
      `longest task while twenty services a second change: ${await longestTaskMs(page)} ms (0: none took 50)`,
    ].join('; '),
  )
  assert.deepEqual(complaints, [])
})
