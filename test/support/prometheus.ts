/** A real Prometheus for a test, configured as deploy/prometheus.yaml shows. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { endWithTests, limitMs, until } from './process.ts'
import { root } from './readme.ts'

// The child ends when this process ends, even if this process is killed.
const [program, ...before] = ['setpriv', '--pdeathsig', 'KILL', 'prometheus'] as const
/** The reason to skip tests that need Prometheus; false if it is installed. */
export const noPrometheus =
  spawnSync(program, [...before, '--version']).status === 0
    ? false
    : "prometheus (Debian's package of this name) or setpriv (util-linux) is not installed"

/** Returns the example configuration with the address of a Porthole, the intervals of a test, and the token if there is one. */
function configure(porthole: string, tokenFile: string | null): string {
  const written = readFileSync(join(root, 'deploy/prometheus.yaml'), 'utf8')
  const example =
    tokenFile === null
      ? written
      : written.replaceAll('# authorization:', 'authorization:').replaceAll('/etc/prometheus/porthole.token', tokenFile)
  return example
    .replaceAll('localhost:8080', porthole)
    .replace(/(?<=\b(?:scrape|evaluation|refresh)_interval: )\w+/g, '1s')
    .replace('prometheus-rules.yaml', join(root, 'deploy/prometheus-rules.yaml'))
}

type ActiveTarget = {
  readonly labels: Record<string, string>
  readonly discoveredLabels: Record<string, string>
  readonly health: string
  readonly lastError: string
}
type Sample = { readonly metric: Record<string, string>; readonly value: [number, string] }

/** Starts Prometheus on a free port of 127.0.0.1, with its data in a new folder. Both are gone after the test. */
export async function startPrometheus(t: TestContext, porthole: string, token: string | null = null) {
  const folder = mkdtempSync(join(tmpdir(), 'porthole-prometheus-'))
  const file = join(folder, 'prometheus.yaml')
  const tokenFile = join(folder, 'porthole.token')
  // An editor leaves an end of line.
  writeFileSync(tokenFile, `${token ?? ''}\n`)
  writeFileSync(file, configure(porthole, token === null ? null : tokenFile))
  const options = [
    `--config.file=${file}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    '--web.listen-address=127.0.0.1:0',
  ]
  const child = spawn(program, [...before, ...options], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  endWithTests(child)
  const ended = once(child, 'close')
  t.after(async () => {
    child.kill('SIGTERM')
    const lastResort = setTimeout(() => child.kill('SIGKILL'), 5000)
    await ended
    clearTimeout(lastResort)
    rmSync(folder, { recursive: true })
  })

  const lines: string[] = []
  createInterface(child.stderr).on('line', (line) => lines.push(line))
  const address = await until('Prometheus to listen', async () => {
    assert.equal(child.exitCode, null, lines.join('\n'))
    return lines.map((line) => /msg="Listening on" address=(127\.0\.0\.1:\d+)/.exec(line)?.[1]).find(Boolean)
  })

  /** Queries its API. There is no answer until it is ready. */
  async function ask<Data>(path: string): Promise<Data | undefined> {
    const response = await fetch(`http://${address}/api/v1/${path}`, { signal: AbortSignal.timeout(limitMs) })
    const body = await response.text()
    if (response.status === 503) return undefined
    assert.equal(response.status, 200, body)
    return (JSON.parse(body) as { data: Data }).data
  }
  return {
    async activeTargets(job: string): Promise<ActiveTarget[]> {
      const data = await ask<{ activeTargets: ActiveTarget[] }>('targets?state=active')
      return (data?.activeTargets ?? []).filter(({ labels }) => labels.job === job)
    },
    /** Returns the series that an expression finds now; undefined if there is none. */
    async query(expression: string): Promise<Sample[] | undefined> {
      const data = await ask<{ result: Sample[] }>(`query?query=${encodeURIComponent(expression)}`)
      return data === undefined || data.result.length === 0 ? undefined : data.result
    },
  }
}
