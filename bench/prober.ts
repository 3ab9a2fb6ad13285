// Measures the CPU time of one check at full speed, with 256 in flight, against 200 ports of one listener. It compares both probers, Go's
// dialler, and C with epoll, which is the least that a check can cost. All run in turns in one run. The CPU time of the listener does not count.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Close } from '../src/domain/service/policy-settings.ts'
import { parseTarget, type Target } from '../src/domain/target/target.ts'
import { startKernelProber } from '../src/prober/kernel/kernel.ts'
import { createResolver } from '../src/prober/lookup/resolver.ts'
import { createPortableProber } from '../src/prober/portable.ts'
import { awaitOutcome, type Prober } from '../src/prober/prober.ts'
import { systemClock } from '../src/runtime/clock.ts'
import { has, median, startListener, verdict } from './processes.ts'

const rounds = 7
const secondsPerRound = 2
const inFlight = 256
const self = fileURLToPath(import.meta.url)

type Dialler = { readonly name: string; readonly command: string; readonly args: readonly string[] }
type Round = {
  readonly checks: number
  readonly failures: number
  readonly perSecond: number
  readonly cpuMicros: number
}

if (process.argv[2] === 'dial') await dialForRound(process.argv.slice(3))
else await compare()

async function compare(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'porthole-bench-'))
  const listener = await startListener(200)
  const diallers = [
    ours('kernel', 'half-open'),
    ours('kernel', 'rst'),
    ours('portable', 'rst'),
    ...buildGo(folder),
    ...buildC(folder),
  ]
  const figures = new Map<string, Round[]>(diallers.map(({ name }) => [name, []]))
  console.log(
    `${inFlight} in flight, ${listener.ports.length} ports, ${rounds} rounds of ${secondsPerRound} s each, turn about; CPU µs a check`,
  )
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < diallers.length; i++) {
      const dialler = diallers[(i + round) % diallers.length]
      if (dialler !== undefined) figures.get(dialler.name)?.push(run(dialler, listener.ports))
    }
  }
  await listener.stop()
  rmSync(folder, { recursive: true })
  report(figures)
}

function ours(name: Prober['name'], close: Close): Dialler {
  return { name: `${name} prober, ${close}`, command: process.execPath, args: [self, 'dial', name, close] }
}

function buildGo(folder: string): Dialler[] {
  if (!has('go', 'golang-go', "Go's dialler")) return []
  const command = join(folder, 'dial-go')
  const source = fileURLToPath(new URL('dial.go', import.meta.url))
  const env = { ...process.env, GO111MODULE: 'off', GOPROXY: 'off', GOCACHE: join(folder, 'cache') }
  const { status, stderr } = spawnSync('go', ['build', '-o', command, source], {
    env,
    encoding: 'utf8',
    timeout: 120_000,
  })
  if (status !== 0) throw new Error(`dial.go cannot be built: ${stderr}`)
  return [{ name: 'Go net.DialTimeout', command, args: [] }]
}

function buildC(folder: string): Dialler[] {
  if (!has('cc', 'gcc', 'C with epoll')) return []
  const command = join(folder, 'dial-c')
  const source = fileURLToPath(new URL('dial.c', import.meta.url))
  const { status, stderr } = spawnSync('cc', ['-O2', '-o', command, source], { encoding: 'utf8', timeout: 60_000 })
  if (status !== 0) throw new Error(`dial.c cannot be built: ${stderr}`)
  return ['half-open', 'rst'].map((close) => ({ name: `C with epoll, ${close}`, command, args: [close] }))
}

/** Every dialler prints the same four numbers: checks, failures, seconds, and CPU µs of its own process. */
function run({ name, command, args }: Dialler, ports: readonly number[]): Round {
  const { stdout, stderr } = spawnSync(
    command,
    [...args, String(secondsPerRound), String(inFlight), ...ports.map(String)],
    {
      encoding: 'utf8',
      timeout: 30_000,
    },
  )
  const [checks = 0, failures = 0, seconds = 0, cpu = 0] = stdout.trim().split(' ').map(Number)
  if (!(checks > 0)) throw new Error(`${name} made no check: ${stderr}`)
  return { checks, failures, perSecond: checks / seconds, cpuMicros: cpu / checks }
}

function report(figures: ReadonlyMap<string, readonly Round[]>): void {
  const cpu = (name: string) => median(figures.get(name)?.map(({ cpuMicros }) => cpuMicros) ?? [])
  for (const [name, all] of figures) {
    const failures = all.reduce((sum, round) => sum + round.failures, 0)
    const range = all.map(({ cpuMicros }) => cpuMicros)
    console.log(
      `  ${name.padEnd(26)} ${cpu(name).toFixed(1).padStart(6)} µs (${Math.min(...range).toFixed(1)}–${Math.max(...range).toFixed(1)})  ${median(
        all.map(({ perSecond }) => perSecond),
      )
        .toFixed(0)
        .padStart(6)} checks/s${failures > 0 ? `  ${failures} FAILED` : ''}`,
    )
  }
  const compared = (label: string, of: string, to: string, bar: number) => {
    if (figures.has(of) && figures.has(to))
      console.log(`${label}: ${verdict(pairedMedian(figures, of, to), bar, 'at most')}`)
  }
  compared("kernel half-open against Go's dialler", 'kernel prober, half-open', 'Go net.DialTimeout', 0.7)
  compared('kernel half-open against C half-open', 'kernel prober, half-open', 'C with epoll, half-open', 1.4)
  compared('kernel rst against C rst', 'kernel prober, rst', 'C with epoll, rst', 1.4)
}

/** Returns the median of the ratios of the rounds, because a slow phase of the machine slows both programs of a round. */
function pairedMedian(figures: ReadonlyMap<string, readonly Round[]>, of: string, to: string): number {
  const others = figures.get(to) ?? []
  return median((figures.get(of) ?? []).map(({ cpuMicros }, i) => cpuMicros / (others[i]?.cpuMicros ?? Number.NaN)))
}

/** Always has this number of checks in flight, as the monitor does. The first second does not count, because V8 compiles in it. */
async function dialForRound([name, close, seconds, most, ...ports]: string[]): Promise<void> {
  const clock = systemClock()
  const resolver = createResolver({ clock })
  const prober =
    name === 'kernel' ? await startKernelProber({ clock, resolver }) : createPortableProber({ clock, resolver })
  if (typeof prober === 'string') throw new Error(`the kernel prober cannot run here: ${prober}`)
  const targets = ports.map((port) => parseTarget(`127.0.0.1:${port}`)).filter((target) => typeof target !== 'string')
  await dialUntil(prober, targets, close as Close, Number(most), clock.now() + 1000)
  const begin = clock.now()
  const before = process.cpuUsage()
  const { checks, failures } = await dialUntil(
    prober,
    targets,
    close as Close,
    Number(most),
    begin + Number(seconds) * 1000,
  )
  const { user, system } = process.cpuUsage(before)
  console.log(checks, failures, (clock.now() - begin) / 1000, user + system)
  await prober.close()
}

async function dialUntil(
  prober: Prober,
  targets: readonly Target[],
  close: Close,
  most: number,
  end: number,
): Promise<{ checks: number; failures: number }> {
  let checks = 0
  let failures = 0
  async function dialUntilEnd(): Promise<void> {
    while (performance.now() < end) {
      const target = targets[checks++ % targets.length]
      if (target === undefined) return
      const outcome = await awaitOutcome(prober, { target, timeoutMs: 2000, close, urgent: true })
      if (outcome?.reason !== 'connected') failures++
    }
  }
  await Promise.all(Array.from({ length: most }, dialUntilEnd))
  return { checks, failures }
}
