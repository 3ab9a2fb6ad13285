/** Signals that come before Porthole has started. systemd, Kubernetes, or a program that reloads a configuration may send them. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import net, { type AddressInfo } from 'node:net'
import { constants } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, type TestContext, test } from 'node:test'
import { nobody } from '../support/app.ts'
import { createFolder, launch, start, until } from '../support/process.ts'

const noProc = !existsSync('/proc/self/status') && 'what a process does with signals is in /proc/PID/status of Linux'

/**
 * Waits until a process that has a configuration file catches SIGHUP, and therefore all signals (proc_pid_status(5)). Node.js catches SIGTERM
 * and SIGINT by itself earlier.
 */
function catchesSignals(pid = 0): Promise<true> {
  const bit = 1n << BigInt(constants.signals.SIGHUP - 1)
  return until('SIGHUP is caught', async () => {
    const [, caught = '0'] = /^SigCgt:\s*(\w+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return (BigInt(`0x${caught}`) & bit) !== 0n
  })
}

/** A file that takes long to read, because it has many services. They are checked only on demand. */
function writeLarge(file: string): void {
  const services = Array.from({ length: 20_000 }, (_, i) => [`s${i}`, { targets: [nobody], interval: 'off' }])
  writeFileSync(file, JSON.stringify({ shutdownDelay: '5s', services: Object.fromEntries(services) }))
}

/** Returns the address of a Redis that accepts connections and never answers. */
async function listenSilent(t: TestContext): Promise<string> {
  const sockets: net.Socket[] = []
  const server = net.createServer((socket) => void sockets.push(socket.on('error', () => undefined)))
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `redis://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const isPid1 = ['unshare', '--pid', '--fork', '--kill-child', ...(process.getuid?.() === 0 ? [] : ['-r'])]

/** Returns the reason why no program can be process 1 here; false if one can. */
function whyNoPid1(): string | false {
  const [program = '', ...args] = isPid1
  const trial = spawnSync(program, [...args, 'true'], { encoding: 'utf8' })
  return trial.status !== 0 && `no PID namespace: ${trial.error?.message ?? trial.stderr.trim()}`
}

/** Returns the child of a process. */
const childOf = (pid: number) =>
  until('there is a child', async () => Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')) || undefined)

describe('while it starts', { concurrency: 2 }, () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`${signal} ends it with 0 while its file is read`, { skip: noProc }, async (t) => {
      const file = join(createFolder(t), 'porthole.json')
      writeLarge(file)
      const { child, ended, lines, errors } = launch(t, ['--config', file])
      await catchesSignals(child.pid)
      child.kill(signal)
      assert.deepEqual(await ended, { code: 0, signal: null })
      assert.deepEqual([lines, errors()], [[], `porthole: ${signal} while it starts: closing\n`])
    })
  }

  test('SIGTERM ends it with 0 also if it is process 1', { skip: noProc || whyNoPid1() }, async (t) => {
    const file = join(createFolder(t), 'porthole.json')
    writeLarge(file)
    const { child, ended, lines, errors } = launch(t, ['--config', file], {}, isPid1)
    const pid = await childOf(child.pid ?? 0)
    await catchesSignals(pid)
    process.kill(pid, 'SIGTERM')
    assert.deepEqual(await ended, { code: 0, signal: null })
    assert.deepEqual([lines, errors()], [[], 'porthole: SIGTERM while it starts: closing\n'])
  })

  test('a SIGHUP during the start makes it look at the file once it has started', { skip: noProc }, async (t) => {
    const file = join(createFolder(t), 'porthole.json')
    // No event reports a change of the file behind the link.
    const elsewhere = join(createFolder(t), 'porthole.json')
    symlinkSync(elsewhere, file)
    writeLarge(elsewhere)
    const { child, lines, logged, errors } = launch(t, ['--config', file])
    await catchesSignals(child.pid)
    assert.deepEqual(lines, [])
    child.kill('SIGHUP')
    const { services } = await logged(/^configuration in force$/)
    assert.equal(services, 20_000)
    const seen = lines.length
    writeFileSync(elsewhere, 'services: {}')
    child.kill('SIGHUP')
    const { removed } = await logged(/^configuration in force$/, seen)
    assert.equal(removed, 20_000)
    assert.equal(errors(), '')
  })

  for (const signal of ['SIGTERM', 'SIGHUP'] as const) {
    const where = signal === 'SIGHUP' ? ', if there is no file to reload' : ''
    test(`${signal} ends it with 0 while it joins the other replicas${where}`, async (t) => {
      const env = { PORTHOLE_REDIS_URL: await listenSilent(t) }
      const { child, ended, lines, logged, errors } = launch(t, [`db=${nobody}`], env)
      await logged(/ prober checks: /)
      child.kill(signal)
      assert.deepEqual(await ended, { code: 0, signal: null })
      assert.equal((await logged(/^closing$/)).signal, signal)
      assert.deepEqual([lines.some(({ msg }) => /solo/.test(msg)), errors()], [false, ''])
    })
  }

  test('SIGTERM ends it with 0 while its store is opened, and the next start finds the store unchanged', async (t) => {
    const data = createFolder(t)
    const PORTHOLE_DATA = data
    const before = await start(t, [`db=${nobody}`], { PORTHOLE_DATA, PORTHOLE_LOG_LEVEL: 'info' })
    await before.logged(/^db is down/)
    before.child.kill('SIGTERM')
    await before.ended
    const db = new DatabaseSync(join(data, 'porthole.db'))
    t.after(() => db.isOpen && db.close())
    db.exec('BEGIN EXCLUSIVE')
    const { child, ended, lines, logged, errors } = launch(t, [`db=${nobody}`], { PORTHOLE_DATA })
    await logged(/^configuration in force$/)
    child.kill('SIGTERM')
    assert.deepEqual(await ended, { code: 0, signal: null })
    assert.deepEqual([lines.at(-1)?.msg, errors()], ['closing', ''])
    db.exec('ROLLBACK')
    assert.deepEqual({ ...db.prepare('PRAGMA integrity_check').get() }, { integrity_check: 'ok' })
    db.close()
    const after = await start(t, [`db=${nobody}`], { PORTHOLE_DATA })
    assert.ok(Number((await after.logged(/^the stored state is in force$/)).transitions) > 0)
  })
})
