import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { advise, noIncidents } from '../../../src/domain/check/advice.ts'
import type { Prober } from '../../../src/prober/prober.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { enterNamespace } from '../../support/namespace.ts'
import { samplePolicy } from '../../support/samples.ts'
import { checkOnce } from '../contract.ts'
import { makeKernel } from '../make-kernel.ts'
import { createNetwork, families, far, port } from '../network.ts'

const skip = await enterNamespace(import.meta.filename)
const dead = 8001
const policy = samplePolicy({ timeout: 2000 })

describe('a SYN proxy', { skip }, () => {
  let prober: Prober
  let obstacle: string | null = null
  const closing: (() => Promise<void>)[] = []

  before(async () => {
    const host = await createNetwork()
    closing.push(host.close)
    prober = await makeKernel({ clock: systemClock() })
    closing.push(prober.close)
    for (const family of families) {
      const outcome = await checkOnce(prober, far[family], port, 2000, 'half-open')
      assert.deepEqual([outcome.answer, advise(policy, outcome, noIncidents, 0)], ['syn-ack', null])
    }
    try {
      host.sh(`nft -f - <<'RULES'
        table inet proxy {
          chain pre { type filter hook prerouting priority raw; tcp dport { ${port}, ${dead} } tcp flags syn notrack; }
          chain in {
            type filter hook input priority filter
            tcp dport { ${port}, ${dead} } ct state { invalid, untracked } synproxy mss 1460 wscale 7 timestamp sack-perm
          }
        }
RULES
        sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0`)
    } catch (error) {
      obstacle = `the kernel has no synproxy: ${error instanceof Error ? error.message : error}`
    }
  })
  after(async () => {
    for (const close of closing.reverse()) await close()
  })

  for (const family of families) {
    for (const [what, at] of [
      ['a listener', port],
      ['a dead port', dead],
    ] as const) {
      test(`before ${what} is up for half-open, and advice mentions the proxy (${family})`, async (t) => {
        if (obstacle !== null) return t.skip(obstacle)
        const outcome = await checkOnce(prober, far[family], at, 2000, 'half-open')
        assert.deepEqual([outcome.reason, outcome.answer, outcome.code], ['connected', 'zero-window', null])
        assert.ok(outcome.latencyMs !== null && outcome.latencyMs > 0)
        assert.match(advise(policy, outcome, noIncidents, 0) ?? '', /^a SYN proxy seems to answer /)
      })
    }

    for (const close of ['rst', 'fin'] as const) {
      test(`before a dead port is up with ${close} too, whether or not its reset is seen (${family})`, async (t) => {
        if (obstacle !== null) return t.skip(obstacle)
        const outcome = await checkOnce(prober, far[family], dead, 2000, close)
        assert.equal(outcome.reason, 'connected')
        assert.ok(outcome.code === null || outcome.code === 'ECONNRESET', `${outcome.code}`)
        assert.match(advise(policy, outcome, noIncidents, 0) ?? '', /^(a SYN proxy seems|the peer reset)/)
      })
    }
  }
})
