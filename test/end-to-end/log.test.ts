/** The behaviour of Porthole if its log cannot be written: a full disk, or a reader that is stuck or gone. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { familyOf } from '../metrics/page.ts'
import { enterNamespace, sh } from '../support/namespace.ts'
import { createFolder, environment, type Line, porthole, until } from '../support/process.ts'

const skip = await enterNamespace(import.meta.filename)

/** Returns a free port. The log cannot be read here, so the test chooses the port. */
async function freePort(): Promise<string> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  server.close()
  await once(server, 'close')
  return `${port}`
}

/** Starts Porthole with this descriptor as its log, and closes the descriptor here. Resolves once Porthole checks. */
async function startInto(t: TestContext, stdout: number, args: readonly string[] = []) {
  const config = join(createFolder(t), 'porthole.yaml')
  writeFileSync(
    config,
    'shutdownDelay: 0s\nservices: { a: { targets: ["127.0.0.1:1"], interval: 100ms, timeout: 100ms } }',
  )
  const PORTHOLE_PORT = await freePort()
  const env = environment({ PORTHOLE_PORT, PORTHOLE_LOG_LEVEL: 'debug' })
  const child = spawn(process.execPath, [...args, porthole, '--config', config], {
    env,
    stdio: ['ignore', stdout, 'pipe'],
  })
  closeSync(stdout)
  const errors = text(child.stderr ?? assert.fail())
  const ended = once(child, 'close').then(([code, signal]: unknown[]) => ({ code, signal }))
  t.after(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const url = `http://127.0.0.1:${PORTHOLE_PORT}`
  const metric = async (name: string) => familyOf(await (await fetch(`${url}/metrics`)).text(), name)
  const checks = async () => Object.values(await metric('porthole_checks_total')).reduce((sum, count) => sum + count, 0)
  await until('it checks', async () => (await checks().catch(() => 0)) > 0)
  const dropped = async () => (await metric('porthole_log_lines_dropped_total'))['']
  /** Makes Porthole log more than eight million bytes in lines of 12 kB. */
  const logMuch = async () => {
    for (let i = 0; i < 900; i++) await (await fetch(`${url}/livez?${'x'.repeat(12_000)}`)).arrayBuffer()
  }
  return { child, ended, errors, url, checks, dropped, logMuch }
}

/** Mounts a file system of this size. */
function createDisk(t: TestContext, size: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'porthole-test-'))
  sh(`mount -t tmpfs -o size=${size} tmpfs ${folder}`)
  t.after(() => {
    sh(`umount -l ${folder}`)
    rmSync(folder, { recursive: true })
  })
  return folder
}

test('a full disk under the log stops neither answers nor checks; dropped lines are counted, and reported once there is space', {
  skip,
}, async (t) => {
  const disk = createDisk(t, '32m')
  const file = join(disk, 'log')
  const { child, ended, url, checks, dropped, logMuch } = await startInto(t, openSync(file, 'a'))
  const block = Buffer.alloc(4096)
  assert.throws(() => {
    for (;;) appendFileSync(join(disk, 'ballast'), block)
  }, /ENOSPC/)
  await logMuch()
  const before = await checks()
  assert.ok(Number(await dropped()) > 0, 'no line was dropped')
  await until('checks go on', async () => (await checks()) > before)
  assert.equal((await fetch(`${url}/livez`)).status, 200)
  rmSync(join(disk, 'ballast'))
  const told = await until('a line tells of it', async () =>
    readFileSync(file, 'utf8')
      .split('\n')
      .find((line) => line.includes('of the log were dropped here')),
  )
  const { msg, level, lines } = JSON.parse(told) as Line
  assert.equal(msg, `${lines} lines of the log were dropped here, because its disk was full (ENOSPC)`)
  assert.equal(level, 50)
  child.kill('SIGTERM')
  assert.deepEqual(await ended, { code: 0, signal: null })
  const all = readFileSync(file, 'utf8').trimEnd().split('\n')
  const parsed = all.map((line) => JSON.parse(line) as Line)
  // Every line is complete and in order. The line about dropped lines comes before the line that was logged before it.
  const times = parsed.filter(({ msg }) => !msg.includes('were dropped here')).map(({ time }) => time)
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  )
  assert.equal(parsed.findLast(({ level }) => level > 20)?.msg, 'closing')
})

/** A pipe that has no reader any more. */
function openStalledPipe(t: TestContext): number {
  const path = join(createFolder(t), 'pipe')
  execFileSync('mkfifo', [path])
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  t.after(() => closeSync(reader))
  return openSync(path, 'w')
}

function openBrokenPipe(t: TestContext): number {
  const path = join(createFolder(t), 'pipe')
  execFileSync('mkfifo', [path])
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const fd = openSync(path, 'w')
  closeSync(reader)
  return fd
}

for (const [name, open] of [
  ['a disk that is always full', () => openSync('/dev/full', 'w')],
  ['a pipe that is not read', openStalledPipe],
  ['a pipe whose reader is gone', openBrokenPipe],
] as const) {
  test(`with ${name} under the log answers and checks go on, and SIGTERM ends it with 0`, { skip }, async (t) => {
    const { child, ended, errors, url, checks, dropped, logMuch } = await startInto(t, open(t))
    await logMuch()
    const before = await checks()
    await until('checks go on', async () => (await checks()) > before)
    assert.equal((await fetch(`${url}/livez`)).status, 200)
    assert.ok(Number(await dropped()) > 0, 'no line was dropped')
    child.kill('SIGTERM')
    assert.deepEqual(await ended, { code: 0, signal: null })
    assert.equal(await errors, '')
  })

  test(`with ${name} under the log a bug ends it with 1`, { skip }, async (t) => {
    const bug = "data:text/javascript,process.once('SIGUSR2',()=>{throw new Error('a bug')})"
    const { child, ended } = await startInto(t, open(t), ['--import', bug])
    child.kill('SIGUSR2')
    assert.deepEqual(await ended, { code: 1, signal: null })
  })
}

test('a bug is in the log before the process ends', { skip }, async (t) => {
  const file = join(createFolder(t), 'log')
  const bug = "data:text/javascript,process.once('SIGUSR2',()=>{throw new Error('a bug of the test')})"
  const { child, ended } = await startInto(t, openSync(file, 'a'), ['--import', bug])
  child.kill('SIGUSR2')
  assert.deepEqual(await ended, { code: 1, signal: null })
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  const fatal = lines.map((line) => JSON.parse(line) as Line).find(({ level }) => level === 60)
  assert.equal(fatal?.msg, 'a bug in Porthole: closing')
  assert.match(JSON.stringify(fatal), /a bug of the test.*at process/)
})
