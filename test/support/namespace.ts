/**
 * A private network for a test. A test file enters a new network namespace (and mount namespace) by running itself again under `unshare -rnm`.
 * That works for root and, if the kernel allows user namespaces, for every user. Inside the namespace the test is root: it may set addresses,
 * routes, firewall rules and sysctls, and no packet leaves the namespace. Every process in the namespace has a pipe from its parent on stdin and
 * ends when the pipe closes. Therefore no process survives the test, even if the test is killed.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const inside = 'PORTHOLE_TEST_NAMESPACE'

/**
 * Enters the namespace. Call it first in a test file, with `import.meta.filename`. Inside the namespace it returns false. If no namespace can be
 * made, it returns the reason, to skip the tests with. Outside it does not return: the file runs again inside, and the process ends as the inner
 * one ends.
 */
export async function enterNamespace(file: string): Promise<false | string> {
  if (process.env[inside] !== undefined) {
    process.stdin.once('end', () => process.exit(1)).resume()
    // Waiting for the end of the parent must not keep the process alive.
    if ('unref' in process.stdin && typeof process.stdin.unref === 'function') process.stdin.unref()
    sh('ip link set lo up')
    return false
  }
  const obstacle = whyNot()
  if (obstacle !== null) return `no network namespace: ${obstacle}`
  const again = spawn('unshare', ['-rnm', process.execPath, ...process.execArgv, file], {
    // Pass stdout on unchanged, so that `node --test` takes the tests inside for those of this process.
    stdio: ['pipe', 'inherit', 'inherit'],
    env: { ...process.env, [inside]: '1' },
  })
  const [code] = await once(again, 'exit')
  process.exit(code ?? 1)
}

function whyNot(): string | null {
  if (process.platform !== 'linux') return 'only Linux has them'
  for (const [tool, flag] of [
    ['ip', '-V'],
    ['nft', '-v'],
  ] as const) {
    if (spawnSync(tool, [flag]).error !== undefined) return `${tool} is not installed`
  }
  const trial = spawnSync('unshare', ['-rnm', 'ip', 'link', 'set', 'lo', 'up'], { encoding: 'utf8' })
  return trial.status === 0 ? null : trial.error ? 'unshare is not installed' : trial.stderr.trim()
}

/** Runs a shell script in this namespace. Throws with its output if a line of it fails. */
export function sh(script: string): void {
  execFileSync('sh', ['-euc', script], { stdio: ['ignore', 'pipe', 'pipe'] })
}

/** A second network namespace, which the kernel treats like another machine. */
export type Host = {
  /** The process that holds its network namespace. `ip link set NAME netns PID` moves an interface there. */
  readonly pid: number
  /** Runs a shell script in it. */
  sh(script: string): void
  close(): Promise<void>
}

/** Starts a host that listens on one TCP port, every address of both families, and reads until the peer closes. */
export async function createHost(port: number): Promise<Host> {
  const program = `
    process.stdin.on('end', () => process.exit()).resume()
    const server = require('node:net').createServer((socket) => socket.on('error', () => {}).resume())
    server.listen({ port: ${port}, host: '::', backlog: 4096 }, () => console.log('listening'))`
  const host = spawn('unshare', ['-n', process.execPath, '-e', program], { stdio: ['pipe', 'pipe', 'inherit'] })
  const gone = once(host, 'exit')
  await Promise.race([once(host.stdout, 'data'), gone.then(([code]) => Promise.reject(new Error(`no host: ${code}`)))])
  const pid = host.pid ?? 0
  return {
    pid,
    sh: (script) =>
      void execFileSync('nsenter', ['-t', `${pid}`, '-n', 'sh', '-euc', script], { stdio: ['ignore', 'pipe', 'pipe'] }),
    async close() {
      host.stdin.end()
      await gone
    },
  }
}

/** Makes a name server (a line of resolv.conf) responsible for all names, in this namespace only. Call it again to change it. */
export function createResolvConf(): { write(text: string): void; close(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'porthole-test-'))
  const resolvConf = join(folder, 'resolv.conf')
  writeFileSync(resolvConf, '')
  // Some machines ask a daemon over a local socket instead, which would leave the namespace.
  writeFileSync(join(folder, 'nsswitch.conf'), 'hosts: files dns\n')
  sh(`mount --bind ${resolvConf} /etc/resolv.conf; mount --bind ${folder}/nsswitch.conf /etc/nsswitch.conf`)
  return {
    write: (text) => writeFileSync(resolvConf, text),
    close: () => rmSync(folder, { recursive: true }),
  }
}
