import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { shareDescriptors } from '../../../src/prober/descriptors.ts'
import { awaitOutcome } from '../../../src/prober/prober.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { enterNamespace, sh } from '../../support/namespace.ts'
import { until } from '../../support/process.ts'
import { checkOnce, listen, targetOf } from '../contract.ts'
import { makeKernel } from '../make-kernel.ts'

const skip = await enterNamespace(import.meta.filename)
const clock = systemClock()
const dropped = 81

describe('the kernel prober ends dials without an answer', { skip }, () => {
  test('10,000 checks in flight all end, none before its deadline, while others connect', async (t) => {
    sh(`nft -f - <<'RULES'
      table inet filter { chain input { type filter hook input priority 0; tcp dport ${dropped} drop; }
      }
RULES`)
    const port = await listen(t, '127.0.0.1')
    const prober = await makeKernel({ clock })
    t.after(prober.close)
    const wanted = 10_000
    const count = shareDescriptors({ wanted, lookUps: 0 }).checks
    if (count < wanted) t.diagnostic(`only ${count} in flight: the limit of file descriptors allows no more`)

    const checks = Array.from({ length: count }, async (_, i) => {
      const timeoutMs = 1000 + (i * 1000) / count
      // 200 addresses, because one address has too few local ports for so many connections.
      const target = targetOf(`127.0.1.${1 + (i % 200)}`, dropped)
      const outcome = await awaitOutcome(prober, { target, timeoutMs, close: 'half-open', urgent: false })
      assert.ok(outcome)
      return { late: outcome.endedAt - outcome.startedAt - timeoutMs, what: `${outcome.reason} ${outcome.code}` }
    })
    let connected = 0
    const over = new AbortController()
    const others = (async () => {
      while (!over.signal.aborted) {
        const { reason, code } = await checkOnce(prober, '127.0.0.1', port, 2000, 'half-open')
        // A dial of these may begin too late as well.
        if (code === 'ETIME') continue
        assert.equal(`${reason} ${code}`, 'connected null')
        connected++
        await sleep(5)
      }
    })()
    const ended = await Promise.all(checks)
    over.abort()
    await others
    const late = ended.map((check) => check.late).sort((a, b) => a - b)
    const p50 = late[Math.floor(count * 0.5)] ?? 0
    const p99 = late[Math.floor(count * 0.99)] ?? 0
    const most = late.at(-1) ?? 0
    t.diagnostic(
      `${count} checks late by p50 ${p50.toFixed(2)}, p99 ${p99.toFixed(2)}, at most ${most.toFixed(2)} ms; ${connected} connected meanwhile`,
    )
    // A dial that began too late is our own fault (ETIME). All other dials get no answer.
    assert.deepEqual(
      [...new Set(ended.map(({ what }) => what))].filter((what) => what !== 'local ETIME'),
      ['timeout null'],
    )
    assert.ok((late[0] ?? 0) > -1, 'none ended before its deadline')
    // The lateness is printed but not asserted, because it depends on the load of the machine.
    // On a very busy machine the first one may connect only after the last check without an answer.
    const connects = async () => (await checkOnce(prober, '127.0.0.1', port, 2000, 'half-open')).reason === 'connected'
    await until('another check connects', async () => connected > 0 || (await connects()))
  })
})
