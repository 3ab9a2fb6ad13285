import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomInt } from 'node:crypto'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { schemaVersion } from '../../src/store/sqlite/schema.ts'
import { openSqliteStore } from '../../src/store/sqlite/sqlite.ts'
import type { Put, Store, Stored } from '../../src/store/store.ts'
import { enterNamespace, sh } from '../support/namespace.ts'
import { sampleTransition, unwrap } from './contract.ts'

const skip = await enterNamespace(import.meta.filename)

/** Mounts a file system in memory, which can be filled or mounted read-only. It is gone after the test. */
function createDisk(t: TestContext, size = '2m') {
  const folder = mkdtempSync(join(tmpdir(), 'porthole-test-'))
  sh(`mount -t tmpfs -o size=${size} none ${folder}`)
  t.after(() => {
    sh(`umount -l ${folder}`)
    rmSync(folder, { recursive: true })
  })
  const directory = join(folder, 'data')
  const ballast = join(folder, 'ballast')
  return {
    directory,
    file: join(directory, 'porthole.db'),
    fill() {
      const block = Buffer.alloc(4096)
      assert.throws(() => {
        for (;;) appendFileSync(ballast, block)
      }, /ENOSPC/)
    },
    free: () => rmSync(ballast),
    remount: (how: 'ro' | 'rw') => sh(`mount -o remount,bind,${how} ${folder}`),
  }
}

const open = (directory: string) =>
  openSqliteStore({ directory, retention: { maxCount: 1000, maxAgeMs: 3_600_000 }, now: Date.now })

/** Opens a store that must open. It is closed after the test, if not before. */
async function start(t: TestContext, directory: string): Promise<Store> {
  const store = unwrap(await open(directory))
  t.after(() => store.close())
  return store
}

/** Creates a database with some registrations and closes it. */
async function fillStore(directory: string, count = 1): Promise<void> {
  const store = unwrap(await open(directory))
  const definition = JSON.stringify({ targets: ['db-1.internal:5432'] })
  for (const put of await Promise.all(Array.from({ length: count }, (_, i) => store.put(`s${i}`, definition, {}))))
    unwrap(put)
  unwrap(await store.append([sampleTransition(Date.now() * 1000)], false))
  await store.close()
}

async function namesIn(store: Store): Promise<string[]> {
  return unwrap(await store.load()).registrations.map(({ name }) => name)
}

const hashOf = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex')

function assertFails(stored: Stored<unknown>, expected: RegExp): void {
  assert.match(stored.ok ? 'it did not fail' : stored.failure, expected)
}

/** Asserts that opening fails with this sentence and does not change the file. */
async function assertRefused(directory: string, file: string, expected: RegExp): Promise<void> {
  const before = hashOf(file)
  assertFails(await open(directory), expected)
  assert.equal(hashOf(file), before)
}

/** Starts a store in another process, through a command that confines it. It ends with the test, if not before. */
async function startProcess(t: TestContext, directory: string, confine: readonly string[] = []) {
  const [command = '', ...input] = [...confine, process.execPath, join(import.meta.dirname, 'process.ts'), directory]
  const child: ChildProcess = spawn(command, input, { stdio: ['pipe', 'pipe', 'inherit'] })
  const gone = once(child, 'close')
  // Requests to a killed process are lost.
  child.stdin?.on('error', () => undefined)
  t.after(async () => {
    child.kill('SIGKILL')
    await gone
  })
  const waiting = new Map<number, (answer: Stored<unknown>) => void>()
  const opened = new Promise<Stored<unknown>>((answer) => waiting.set(0, answer))
  let requests = 0
  createInterface(child.stdout ?? assert.fail()).on('line', (line) => {
    const [number, answer] = JSON.parse(line) as [number, Stored<unknown>]
    waiting.get(number)?.(answer)
  })
  return {
    opened: await opened,
    pid: child.pid ?? 0,
    ask<Method extends Exclude<keyof Store, 'name'>>(method: Method, ...input: Parameters<Store[Method]>) {
      child.stdin?.write(`${JSON.stringify([method, ...input])}\n`)
      return new Promise<Stored<unknown>>((answer) => waiting.set(++requests, answer)) as ReturnType<Store[Method]>
    },
    async kill() {
      child.kill('SIGKILL')
      await gone
    },
    async end() {
      child.stdin?.end()
      await gone
    },
  }
}

test('with a full disk operations fail and change nothing, until there is space again', { skip }, async (t) => {
  const disk = createDisk(t)
  const store = await start(t, disk.directory)
  unwrap(await store.put('before', '{}', {}))
  disk.fill()
  const full = /^the disk of .*porthole\.db is full: free some space$/
  const together = [
    store.put('small', '{}', {}),
    store.put('large', 'x'.repeat(100_000), {}),
    store.heartbeat(Date.now()),
  ]
  for (const stored of await Promise.all(together)) assertFails(stored, full)
  assertFails(await store.append([sampleTransition(Date.now() * 1000, { message: 'x'.repeat(100_000) })], false), full)
  assert.deepEqual(await namesIn(store), ['before'])
  disk.free()
  unwrap(await store.put('after', '{}', {}))
  await store.close()
  assert.deepEqual(await namesIn(await start(t, disk.directory)), ['before', 'after'])
})

test('data on a disk that is full at the start is served, and written once there is space', { skip }, async (t) => {
  const disk = createDisk(t)
  await fillStore(disk.directory)
  disk.fill()
  const store = await start(t, disk.directory)
  assert.deepEqual(await namesIn(store), ['s0'])
  assertFails(await store.put('large', 'x'.repeat(100_000), {}), /is full: free some space$/)
  assert.deepEqual(await namesIn(store), ['s0'])
  disk.free()
  unwrap(await store.put('large', 'x'.repeat(100_000), {}))
})

test('a disk without space for a new file is reported, and works once there is space', { skip }, async (t) => {
  const disk = createDisk(t)
  disk.fill()
  assertFails(await open(disk.directory), /is full: free some space$/)
  disk.free()
  assert.deepEqual(await namesIn(await start(t, disk.directory)), [])
})

test('data on a read-only file system is served, and written once it is writable', { skip }, async (t) => {
  const disk = createDisk(t)
  await fillStore(disk.directory)
  disk.remount('ro')
  const before = hashOf(disk.file)
  const store = await start(t, disk.directory)
  const kept = unwrap(await store.load())
  assert.equal(kept.registrations.length, 1)
  assert.equal(kept.transitions.length, 1)
  const readOnly = /porthole\.db is on a read-only file system: mount it writable$/
  const refused = [
    store.put('new', '{}', {}),
    store.remove('s0', {}),
    store.setDrained('s0', true),
    store.append([sampleTransition(Date.now() * 1000)], false),
    store.heartbeat(Date.now()),
  ]
  for (const stored of await Promise.all(refused)) assertFails(stored, readOnly)
  assert.equal(hashOf(disk.file), before)
  disk.remount('rw')
  unwrap(await store.put('new', '{}', {}))
  assert.deepEqual(await namesIn(store), ['s0', 'new'])
})

test('the log of a killed process is served from a read-only file system too', { skip }, async (t) => {
  const disk = createDisk(t)
  const child = await startProcess(t, disk.directory)
  unwrap(await child.ask('put', 'pg', '{}', {}))
  await child.kill()
  assert.ok(statSync(`${disk.file}-wal`).size > 0, 'there is no log')
  disk.remount('ro')
  const store = await start(t, disk.directory)
  assert.deepEqual(await namesIn(store), ['pg'])
  disk.remount('rw')
  unwrap(await store.put('new', '{}', {}))
  assert.deepEqual(await namesIn(store), ['pg', 'new'])
})

test('a new file on a read-only file system is reported', { skip }, async (t) => {
  const disk = createDisk(t)
  mkdirSync(disk.directory)
  disk.remount('ro')
  assertFails(await open(disk.directory), /porthole\.db is on a read-only file system: mount it writable$/)
  const missing = join(disk.directory, 'missing')
  assertFails(await open(missing), /missing\/porthole\.db is on a read-only file system: mount it writable$/)
})

/** Runs a command as an ordinary user, because permissions do not apply to root. */
const bound = ['setpriv', '--bounding-set=-dac_override,-dac_read_search']

test('a file that Porthole may only read is served; one that it may not read is reported', { skip }, async (t) => {
  const disk = createDisk(t)
  const writer = await startProcess(t, disk.directory)
  unwrap(await writer.ask('put', 'pg', '{}', {}))
  await writer.kill()
  const denied = /^Porthole may not read and write .*porthole\.db \(EACCES\): give its user the right to/
  for (const [ofDirectory, ofFile] of [
    [0o700, 0o400],
    [0o500, 0o600],
  ] as const) {
    chmodSync(disk.directory, ofDirectory)
    chmodSync(disk.file, ofFile)
    const child = await startProcess(t, disk.directory, bound)
    unwrap(child.opened)
    assertFails(await child.ask('put', 'new', '{}', {}), denied)
    assert.deepEqual(
      unwrap(await child.ask('load')).registrations.map(({ name }) => name),
      ['pg'],
    )
    await child.end()
    assert.ok(existsSync(`${disk.file}-wal`), 'the log was removed')
  }
  for (const [ofDirectory, ofFile] of [
    [0o700, 0o200],
    [0o000, 0o600],
  ] as const) {
    chmodSync(disk.directory, ofDirectory)
    chmodSync(disk.file, ofFile)
    const child = await startProcess(t, disk.directory, bound)
    assertFails(child.opened, denied)
    await child.end()
  }
})

test('with a file that cannot grow operations fail, until it can', { skip }, async (t) => {
  const disk = createDisk(t)
  const child = await startProcess(t, disk.directory)
  unwrap(await child.ask('put', 'before', '{}', {}))
  sh(`prlimit --pid ${child.pid} --fsize=${statSync(`${disk.file}-wal`).size}:`)
  const answers = [child.ask('put', 'during', '{}', {}), child.ask('heartbeat', Date.now())]
  for (const answer of await Promise.all(answers))
    assertFails(
      answer,
      /porthole\.db cannot be read or written \(SQLite says "disk I\/O error", \d+\): see the kernel's log for errors of its disk/,
    )
  sh(`prlimit --pid ${child.pid} --fsize=unlimited:`)
  unwrap(await child.ask('put', 'after', '{}', {}))
  await child.end()
  assert.deepEqual(await namesIn(await start(t, disk.directory)), ['before', 'after'])
})

test('damage in any place of a file is found, and the file is not touched', { skip }, async (t) => {
  const disk = createDisk(t)
  await fillStore(disk.directory, 500)
  const sound = `${disk.file}.sound`
  copyFileSync(disk.file, sound)
  const damaged = /porthole\.db is damaged: move it away, or put a backup in its place; nothing in it was changed$/
  const pages = statSync(disk.file).size / 4096
  assert.ok(pages > 10)
  for (let page = 0; page < pages; page++) {
    const bytes = readFileSync(sound)
    // The noise is the same in every run. It is random enough, and is never by chance a valid page.
    for (let at = 0; at < 4096; at += 32)
      createHash('sha256')
        .update(`${page} ${at}`)
        .digest()
        .copy(bytes, page * 4096 + at)
    writeFileSync(disk.file, bytes)
    await assertRefused(disk.directory, disk.file, damaged)
  }
  for (const size of [50, 4096, 5000, (pages - 1) * 4096]) {
    copyFileSync(sound, disk.file)
    truncateSync(disk.file, size)
    await assertRefused(disk.directory, disk.file, damaged)
  }
  writeFileSync(disk.file, 'This is no database, but a text of more than a hundred bytes.\n'.repeat(100))
  await assertRefused(disk.directory, disk.file, damaged)
  renameSync(sound, disk.file)
  assert.equal((await namesIn(await start(t, disk.directory))).length, 500)
})

test("a newer Porthole's file is not touched", { skip }, async (t) => {
  const disk = createDisk(t)
  await fillStore(disk.directory)
  const db = new DatabaseSync(disk.file)
  db.exec(`PRAGMA user_version = ${schemaVersion + 1}; CREATE TABLE flux (a)`)
  db.close()
  await assertRefused(
    disk.directory,
    disk.file,
    new RegExp(
      `written by a newer Porthole \\(its schema has version ${schemaVersion + 1}, this one knows ${schemaVersion}\\)`,
    ),
  )
})

test("another program's database is not touched", { skip }, async (t) => {
  const disk = createDisk(t)
  mkdirSync(disk.directory)
  for (const id of [0, 0x0f055112]) {
    const db = new DatabaseSync(disk.file)
    db.exec(`PRAGMA application_id = ${id}; CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)`)
    db.close()
    await assertRefused(disk.directory, disk.file, /porthole\.db is another program's: move it away, or name another/)
    rmSync(disk.file)
  }
})

test('a file in the place of the directory, and a directory in the place of the file, are reported', {
  skip,
}, async (t) => {
  const disk = createDisk(t)
  writeFileSync(disk.directory, 'a file')
  const noDirectory = /data is not a directory: name a directory for Porthole's data$/
  assertFails(await open(disk.directory), noDirectory)
  assertFails(await open(join(disk.directory, 'below')), /below is not a directory/)
  rmSync(disk.directory)
  mkdirSync(disk.file, { recursive: true })
  assertFails(await open(disk.directory), /porthole\.db is a directory: move it away$/)
})

test('a missing directory is created with the directories above it, for Porthole alone', { skip }, async (t) => {
  const disk = createDisk(t)
  const below = join(disk.directory, 'below')
  await start(t, below)
  assert.deepEqual(
    [disk.directory, below].map((directory) => statSync(directory).mode & 0o777),
    [0o700, 0o700],
  )
})

test('a directory that cannot be created is reported, also where retrying would never end', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const disk = createDisk(t)
  mkdirSync(disk.directory, { mode: 0o500 })
  const cannotBeMade = /^\/proc\/x.* does not exist and cannot be made: make it, or name another data directory$/
  const denied = /^Porthole may not read and write .*porthole\.db \(EACCES\): give its user the right to/
  for (const [directory, expected] of [
    ['/proc/x', cannotBeMade],
    ['/proc/x/y', cannotBeMade],
    [join(disk.directory, 'x'), denied],
    [join(disk.directory, 'x/y'), denied],
  ] as const) {
    // Run it in a process, which can be killed in any state.
    const child = await startProcess(t, directory, bound)
    assertFails(child.opened, expected)
    await child.end()
  }
})

test('a second Porthole cannot open the file while the first one runs', { skip }, async (t) => {
  const disk = createDisk(t)
  const store = await start(t, disk.directory)
  unwrap(await store.put('pg', '{}', {}))
  const second = await startProcess(t, disk.directory)
  assertFails(
    second.opened,
    /^another Porthole uses .*porthole\.db: give each its own data directory; when that one ends/,
  )
  unwrap(await store.put('mq', '{}', {}))
  await store.close()
  const third = await startProcess(t, disk.directory)
  assert.equal(unwrap(await third.ask('load')).registrations.length, 2)
})

test('a file that was moved away is not written until it is put back', { skip }, async (t) => {
  const disk = createDisk(t)
  const store = await start(t, disk.directory)
  renameSync(disk.file, `${disk.file}.away`)
  assertFails(
    await store.put('pg', '{}', {}),
    /porthole\.db was moved away while Porthole used it: put it back, or start/,
  )
  writeFileSync(disk.file, '')
  assertFails(await store.heartbeat(Date.now()), /was moved away/)
  renameSync(`${disk.file}.away`, disk.file)
  unwrap(await store.put('pg', '{}', {}))
  assert.deepEqual(await namesIn(store), ['pg'])
})

test('changes outlive the removal of their log, and a log in its place does not undo them', {
  skip,
}, async (t) => {
  const disk = createDisk(t)
  const child = await startProcess(t, disk.directory)
  const log = `${disk.file}-wal`
  unwrap(await child.ask('put', 'first', '{}', {}))
  copyFileSync(log, `${log}.old`)
  unwrap(await child.ask('put', 'second', '{}', {}))
  rmSync(log)
  // A heartbeat is enough, because no other write may come for hours.
  unwrap(await child.ask('heartbeat', Date.now()))
  assert.ok(existsSync(log), 'there is no new log')
  unwrap(await child.ask('put', 'third', '{}', {}))
  rmSync(log)
  unwrap(await child.ask('put', 'fourth', '{}', {}))
  renameSync(`${log}.old`, log)
  unwrap(await child.ask('put', 'fifth', '{}', {}))
  await child.kill()
  assert.deepEqual(await namesIn(await start(t, disk.directory)), ['first', 'second', 'third', 'fourth', 'fifth'])
})

test('a removed log is reported once, and normal use reports nothing', { skip }, async (t) => {
  const disk = createDisk(t)
  const notices: string[] = []
  const onNotice = (notice: string) => void notices.push(notice)
  const retention = { maxCount: 1000, maxAgeMs: 3_600_000 }
  const store = unwrap(await openSqliteStore({ directory: disk.directory, retention, onNotice }))
  t.after(() => store.close())
  unwrap(await store.put('pg', '{}', {}))
  unwrap(await store.heartbeat(Date.now()))
  assert.deepEqual(notices, [])
  rmSync(`${disk.file}-wal`)
  unwrap(await store.heartbeat(Date.now()))
  unwrap(await store.heartbeat(Date.now()))
  assert.equal(notices.length, 1)
  assert.match(notices[0] ?? '', /porthole\.db-wal was removed while Porthole used it: nothing is lost/)
})

test('a change is not confirmed if its log was removed and the disk is too full to write it elsewhere', {
  skip,
}, async (t) => {
  const disk = createDisk(t)
  await fillStore(disk.directory, 5000)
  const child = await startProcess(t, disk.directory)
  // The log is short and has room for the change, but the file would have to grow.
  sh(`prlimit --pid ${child.pid} --fsize=${statSync(disk.file).size}:`)
  rmSync(`${disk.file}-wal`)
  const answer = await child.ask('put', 'large', 'x'.repeat(150_000), {})
  assert.deepEqual([answer.ok, !answer.ok && answer.isUncertain], [false, true])
  sh(`prlimit --pid ${child.pid} --fsize=unlimited:`)
  unwrap(await child.ask('heartbeat', Date.now()))
  await child.kill()
  assert.ok((await namesIn(await start(t, disk.directory))).includes('large'))
})

test('a pipe in the place of the file or its log is reported, and the store works once the pipe is gone', {
  skip,
}, async (t) => {
  const disk = createDisk(t)
  mkdirSync(disk.directory)
  for (const path of [disk.file, `${disk.file}-wal`, `${disk.file}-journal`]) {
    sh(`mkfifo ${path}`)
    assertFails(
      await open(disk.directory),
      /porthole\.db.* is a pipe, a socket or a device and no regular file: move it/,
    )
    rmSync(path)
    rmSync(disk.file, { force: true })
  }
  await fillStore(disk.directory)
  assert.deepEqual(await namesIn(await start(t, disk.directory)), ['s0'])
})

test('all confirmed changes outlive kill -9, 20 times over', { skip }, async (t) => {
  const seed = Number(process.env.KILL_SEED ?? randomInt(2 ** 31))
  t.diagnostic(`KILL_SEED=${seed}`)
  const disk = createDisk(t, '200m')
  const confirmed = new Set<string>()
  for (let round = 0; round < 20; round++) {
    const killAt = 1 + (createHash('sha256').update(`${seed} ${round}`).digest().readUInt32BE() % 1000)
    const child = await startProcess(t, disk.directory)
    unwrap(child.opened)
    let asked = 0
    let here = 0
    const killed = Promise.withResolvers<void>()
    const note = (name: string, put: Stored<Put>) => {
      assert.ok(unwrap(put).done)
      confirmed.add(name)
      if (++here === killAt) void child.kill().then(killed.resolve)
    }
    // Send fifty at a time, so that most kills come between two commits.
    const caller = async () => {
      while (asked < 1000) {
        const name = `r${round}-${asked++}`
        note(name, await child.ask('put', name, definitionOf(name), { ifNoneMatch: '*' }))
      }
    }
    for (let i = 0; i < 50; i++) void caller()
    await killed.promise
    const store = unwrap(await open(disk.directory))
    const { registrations } = unwrap(await store.load())
    await store.close()
    const found = new Map(registrations.map(({ name, definition }) => [name, definition]))
    for (const name of confirmed) assert.equal(found.get(name), definitionOf(name), `round ${round} lost ${name}`)
    for (const [name, definition] of found)
      assert.equal(definition, definitionOf(name), `${name} is half a registration`)
  }
  t.diagnostic(`${confirmed.size} confirmed`)
})

const definitionOf = (name: string) => JSON.stringify({ targets: [`${name}.internal:5432`], groups: ['x'.repeat(500)] })
