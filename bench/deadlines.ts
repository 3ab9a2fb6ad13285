// Measures how late deadlines are met while 10,000 checks are in flight all the time. The checks dial ports whose SYNs a firewall drops, and
// begin evenly spread, as with a schedule. Runs in a network namespace of its own.
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Target, targetAt } from '../src/domain/target/target.ts'
import { shareDescriptors } from '../src/prober/descriptors.ts'
import { startKernelProber } from '../src/prober/kernel/kernel.ts'
import { createResolver } from '../src/prober/lookup/resolver.ts'
import { awaitOutcome, type Prober } from '../src/prober/prober.ts'
import { systemClock } from '../src/runtime/clock.ts'
import { dropWhatGoesTo, has, median, runInNamespace, verdict } from './processes.ts'

const wanted = 10_000
const timeoutMs = 2000
const rounds = 5
const secondsPerRound = 4
const dropped = 81

if (process.argv[2] === 'inside') await measure()
else if (has('nft', 'nftables', 'the firewall that drops'))
  runInNamespace(fileURLToPath(import.meta.url), ['inside'], 60_000)

async function measure(): Promise<void> {
  dropWhatGoesTo(dropped)
  const clock = systemClock()
  const prober = await startKernelProber({ clock, resolver: createResolver({ clock }) })
  if (typeof prober === 'string') throw new Error(`the kernel prober cannot run here: ${prober}`)
  const count = shareDescriptors({ wanted, lookUps: 0 }).checks
  console.log(`${count} checks in flight, none of them answered; how long after its deadline each ends`)
  const begin = clock.now()
  const end = begin + 2 * timeoutMs + rounds * secondsPerRound * 1000
  let late: number[] = []
  const starting = (async () => {
    const checks: Promise<void>[] = []
    for (let now = begin; now < end; now = clock.now()) {
      while (checks.length < ((now - begin) * count) / timeoutMs) {
        // Each group of checks has an address of its own, because the kernel tells source ports apart by their destination.
        const target = targetAt(`127.0.1.${1 + (checks.length % 200)}`, dropped)
        checks.push(lateness(prober, target).then((ms) => void late.push(ms)))
      }
      await sleep(1)
    }
    return Promise.all(checks)
  })()
  await sleep(2 * timeoutMs)
  const p99s: number[] = []
  for (let round = 1; round <= rounds; round++) {
    late = []
    await sleep(secondsPerRound * 1000)
    const sorted = late.sort((a, b) => a - b)
    const quantile = (q: number) => sorted[Math.floor(q * (sorted.length - 1))] ?? Number.NaN
    p99s.push(quantile(0.99))
    console.log(
      `  ${sorted.length} checks   p50 ${quantile(0.5).toFixed(2)} ms   p99 ${quantile(0.99).toFixed(2)} ms   at most ${quantile(1).toFixed(2)} ms`,
    )
  }
  console.log(`median p99 ${verdict(median(p99s), 5, 'at most')} ms`)
  await starting
  await prober.close()
}

/** Checks a target that never answers. Returns how long after its deadline the check ended, in milliseconds. */
async function lateness(prober: Prober, target: Target): Promise<number> {
  const outcome = await awaitOutcome(prober, { target, timeoutMs, close: 'half-open', urgent: false })
  if (outcome?.reason !== 'timeout') throw new Error(`a check ended with ${outcome?.reason} ${outcome?.code}`)
  return outcome.endedAt - outcome.startedAt - timeoutMs
}
