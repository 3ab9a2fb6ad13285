// Shared by the benchmarks: the processes that they measure, and the summaries.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { buildIfOld } from '../tools/build.ts'

const inRoot = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url))
await buildIfOld()
/** Porthole, as `npm start` runs it. */
const porthole = inRoot('dist/porthole.js')

const children = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

/** A process under measurement. `found` is the text that the pattern found in its output. `stop` resolves once the process is gone. */
export type Running = { readonly found: string; readonly pid: number; stop(): Promise<void> }

/**
 * Starts a process and waits until the first group of `pattern` matches its output, by default for at most 20 s. The process ends at the latest
 * with this one. Rejects with the output if the process ends or stays silent.
 */
export async function start(
  command: string,
  args: readonly string[],
  pattern: RegExp,
  env: Record<string, string> = {},
  patienceMs = 20_000,
): Promise<Running> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  children.add(child)
  const exited = once(child, 'exit').then(() => children.delete(child))
  let printed = ''
  let isFound = false
  const found = await new Promise<string>((resolve, reject) => {
    const fail = () => reject(new Error(`${command} did not start: ${printed.slice(-2000)}`))
    setTimeout(fail, patienceMs).unref()
    child.once('error', fail).once('exit', fail)
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        if (isFound || printed.length > 1e6) return
        printed += chunk
        const match = pattern.exec(printed)?.[1]
        if (match === undefined) return
        isFound = true
        resolve(match)
      })
    }
  })
  return {
    found,
    pid: child.pid ?? 0,
    async stop() {
      child.kill('SIGTERM')
      const patience = setTimeout(() => child.kill('SIGKILL'), 5000)
      await exited
      clearTimeout(patience)
    },
  }
}

/** Starts a Porthole on a free port of this machine. `found` is its URL. */
export function startPorthole(
  args: readonly string[],
  env: Record<string, string> = {},
  patienceMs?: number,
): Promise<Running> {
  const listen = { PORTHOLE_HOST: '127.0.0.1', PORTHOLE_PORT: '0' }
  return start(porthole, args, /listening at (\S+)"/, { ...listen, ...env }, patienceMs)
}

/** Starts a process that listens on this many ports of an address, and accepts and closes connections as fast as it can. */
export async function startListener(
  count: number,
  host = '127.0.0.1',
): Promise<{ readonly ports: readonly number[]; stop(): Promise<void> }> {
  const program = fileURLToPath(new URL('listener.ts', import.meta.url))
  const { found, stop } = await start(process.execPath, [program, String(count), host], /listening on (\S+)\n/)
  return { ports: found.split(',').map(Number), stop }
}

/** Returns the user and system time of a process with all its threads, in microseconds (proc(5): fields 14 and 15 of stat, in ticks of 10 ms). */
export function cpuMicrosOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}

/** Returns the resident memory of a process, now and at most so far, in bytes. */
export function memoryOf(pid: number): { readonly now: number; readonly peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const read = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024
  return { now: read('VmRSS'), peak: read('VmHWM') }
}

/** Returns the number of dials in this network namespace (ActiveOpens: SYNs sent for the first time). */
export function dialsSoFar(): number {
  const [names = '', values = ''] = readFileSync('/proc/self/net/snmp', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('Tcp:'))
  return Number(values.split(' ')[names.split(' ').indexOf('ActiveOpens')])
}

/** Returns whether network namespaces can be made here. */
export function canIsolate(): boolean {
  return spawnSync('unshare', ['-rn', 'ip', 'link', 'set', 'lo', 'up']).status === 0
}

/** Runs a program in a network namespace of its own, in which no other program dials. Returns false if none can be made. */
export function runInNamespace(program: string, args: readonly string[], timeoutMs: number): boolean {
  if (!canIsolate()) {
    console.log('skipped: no network namespace can be made here (unshare -rn and ip are needed)')
    return false
  }
  const script = 'ip link set lo up && exec "$0" "$@"'
  const { status } = spawnSync('unshare', ['-rn', 'sh', '-c', script, process.execPath, program, ...args], {
    stdio: 'inherit',
    timeout: timeoutMs,
  })
  if (status !== 0) process.exitCode = 1
  return true
}

/** Makes a firewall drop all packets to a port, in this network namespace, which must be the caller's own. */
export function dropWhatGoesTo(port: number): void {
  const rules = `table inet filter { chain input { type filter hook input priority 0; tcp dport ${port} drop; }
}`
  const { status, stderr } = spawnSync('nft', ['-f', '-'], { input: rules, encoding: 'utf8', timeout: 10_000 })
  if (status !== 0) throw new Error(`nft does not take the rule: ${stderr}`)
}

/** Returns whether a tool can be run. If not, prints the name of the skipped part. */
export function has(tool: string, debianPackage: string, skipped: string): boolean {
  const isThere = spawnSync('sh', ['-c', 'command -v "$0"', tool]).status === 0
  if (!isThere) console.log(`skipped: ${skipped}, because ${tool} is not installed (Debian package ${debianPackage})`)
  return isThere
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const [low = Number.NaN, high = Number.NaN] =
    sorted.length % 2 === 1 ? [sorted[middle], sorted[middle]] : sorted.slice(middle - 1)
  return (low + high) / 2
}

/** Formats a ratio beside its bar. */
export function verdict(ratio: number, bar: number, wanted: 'at most' | 'at least'): string {
  const kept = wanted === 'at most' ? ratio <= bar : ratio >= bar
  return `${ratio.toFixed(2)} (bar: ${wanted} ${bar}${kept ? '' : '; MISSED'})`
}
