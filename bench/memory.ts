// Measures the memory of a target, without garbage and without the reserve of V8. There are 100,000 targets, first one to a service and then ten
// to a service. All are up, and each was checked 60 times. Runs in this process, part by part.

import { parseInWorker } from '../src/config/file/parse-in-worker.ts'
import type { Outcome } from '../src/domain/check/outcome.ts'
import { createExposition } from '../src/metrics/exposition.ts'
import { createMonitor } from '../src/monitor/monitor.ts'
import { createRegistry } from '../src/monitor/registry/registry.ts'
import { createScheduler } from '../src/monitor/scheduling/scheduler.ts'
import { createHistory } from '../src/monitor/state/history.ts'
import { createTransitionLog } from '../src/monitor/transitions/transition-log.ts'
import type { CheckEnded, CheckRequest, Prober } from '../src/prober/prober.ts'
import { systemClock } from '../src/runtime/clock.ts'
import { verdict } from './processes.ts'

const targets = 100_000
const rounds = 60
const { gc } = globalThis
if (gc === undefined) throw new Error('start it as `npm run bench:memory`: it has to collect garbage')

for (const perService of [1, 10]) {
  console.log(`${targets} targets, ${perService} to a service: bytes a target`)
  const total = await measure(perService)
  console.log(`bytes a target, ${perService} to a service: ${verdict(total, 1024, 'at most')}\n`)
}

async function measure(perService: number): Promise<number> {
  const clock = systemClock()
  const before = memory()
  let last = before
  const say = (what: string) => {
    const now = memory()
    console.log(`  ${((now - last) / targets).toFixed(0).padStart(5)}  ${what}`)
    last = now
  }
  const bytes = new TextEncoder().encode(writeConfig(perService))
  const read = await parseInWorker({ name: 'memory.json', bytes }, { targets: [], env: {} })
  if (!read.ok) throw new Error(read.problems[0]?.message)
  say('what the configuration says')
  const registry = createRegistry()
  const prober = quickProber()
  const monitor = createMonitor({ registry, prober, clock, maxInFlight: targets })
  const scheduler = createScheduler({ monitor, clock })
  registry.replaceAll(read.config.services, read.config.groups)
  say('its health and counters, its schedule, and where to find it')
  const exposition = createExposition({ monitor, registry, clock, prober: 'kernel' })
  say('its series on the metrics page')
  const log = createTransitionLog({ monitor, clock })
  sweep()
  say('how it came to be up, in the log')
  const history = createHistory({ monitor })
  for (let round = 0; round < rounds; round++) sweep()
  say(`its last ${rounds} checks`)

  function sweep(): void {
    for (const { targets } of monitor.services.values())
      for (const state of targets) monitor.checkOnSchedule(state, clock.now())
    prober.endAll()
  }

  // Use all parts here, so that none is garbage before the measurement.
  const kept = [read, registry, monitor, scheduler, exposition, log, history].length
  return kept === 0 ? 0 : (last - before) / targets
}

function memory(): number {
  // Collect several times, because the next collection frees the objects that finalisers release.
  for (let round = 0; round < 3; round++) void gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

function writeConfig(perService: number): string {
  const targetOf = (i: number) => `127.${1 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}:${20_000 + (i % 8)}`
  const services = Object.fromEntries(
    Array.from({ length: targets / perService }, (_, service) => [
      `service-${service}`,
      {
        targets: Array.from({ length: perService }, (_, i) => targetOf(service * perService + i)),
        groups: [`group-${service % 100}`],
      },
    ]),
  )
  return JSON.stringify({ limits: { services: targets }, services })
}

/** A prober that finds every target up, when the bench ends the checks. */
function quickProber(): Prober & { endAll(): void } {
  let begun: [CheckRequest, CheckEnded][] = []
  return {
    name: 'kernel',
    check: (request, ended) => void begun.push([request, ended]),
    restarts: () => 0,
    close: async () => {},
    endAll() {
      const all = begun
      begun = []
      for (const [{ target }, ended] of all) ended(outcomeOf(target.address))
    },
  }
}

function outcomeOf(address: string | null): Outcome {
  const startedAt = performance.now()
  const latencyMs = Math.round(Math.random() * 1000) / 1000
  return {
    reason: 'connected',
    startedAt,
    endedAt: startedAt + latencyMs,
    address,
    latencyMs,
    synRetransmits: 0,
    answer: 'syn-ack',
    icmp: null,
    code: null,
    note: null,
    lookupMs: null,
    lookupFailedSince: null,
  }
}
