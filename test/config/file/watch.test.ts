import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { hash } from 'node:crypto'
import { mkdir, mkdtemp, open, rename, rm, symlink, truncate, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { readConfigOnce } from '../../../src/config/file/read-file.ts'
import { watchConfig } from '../../../src/config/file/watch.ts'
import type { Problem } from '../../../src/config/problem.ts'

/** With this interval a test passes in time only through events of the file system. */
const never = 3_600_000
const deadlineMs = 10_000

async function makeFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'porthole-watch-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Writes a file as editors do. No reader sees it half written. */
async function replace(file: string, text: string): Promise<void> {
  await writeFile(`${file}~`, text)
  await rename(`${file}~`, file)
}

/** A list of values that arrive one by one. `next` waits for the value after the ones already taken. */
function collect<Value>() {
  const arrived: Value[] = []
  let wake = () => {}
  return {
    arrived,
    push(value: Value) {
      arrived.push(value)
      wake()
    },
    async next(): Promise<Value> {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      wake = resolve
      // The timer also keeps the process alive, because a watch alone does not.
      const deadline = setTimeout(() => reject(new Error('nothing arrived in 10 s')), deadlineMs)
      if (arrived.length === 0) await promise.finally(() => clearTimeout(deadline))
      clearTimeout(deadline)
      return arrived.shift() as Value
    },
  }
}

const digestOf = (text: string) => hash('sha256', text, 'base64')
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

/** Watches a file. `seen` is the text that is in use already. */
function watchFor(t: TestContext, file: string, seen: string | null, pollMs = never) {
  const texts = collect<string>()
  const problems = collect<Problem>()
  const watching = watchConfig({
    file,
    seen: seen === null ? null : digestOf(seen),
    onChange: (bytes) => texts.push(textOf(bytes)),
    onError: problems.push,
    debounceMs: 10,
    pollMs,
  })
  t.after(() => watching.close())
  return { texts, problems, close: watching.close }
}

test('a file that is written again is reported with its text', async (t) => {
  const file = join(await makeFolder(t), 'porthole.yaml')
  await writeFile(file, 'one')
  const { texts } = watchFor(t, file, 'one')
  await writeFile(file, 'two')
  // A file that is written in place is empty for a moment.
  const first = await texts.next()
  assert.equal(first === '' ? await texts.next() : first, 'two')
})

test('a change between reading the file and watching it is not missed', async (t) => {
  const file = join(await makeFolder(t), 'porthole.yaml')
  await writeFile(file, 'two')
  assert.equal(await watchFor(t, file, 'one').texts.next(), 'two')
})

test("both of two swaps of a Kubernetes ConfigMap's symlink are reported", async (t) => {
  const folder = await makeFolder(t)
  // The kubelet makes a directory for each version, `..data` points at the current one, and the file is a link through it.
  const publish = async (version: string, text: string) => {
    await mkdir(join(folder, `..${version}`))
    await writeFile(join(folder, `..${version}`, 'porthole.yaml'), text)
    await symlink(`..${version}`, join(folder, '..data_tmp'))
    await rename(join(folder, '..data_tmp'), join(folder, '..data'))
  }
  await publish('2026_01', 'one')
  await symlink('..data/porthole.yaml', join(folder, 'porthole.yaml'))

  const { texts } = watchFor(t, join(folder, 'porthole.yaml'), 'one')
  await publish('2026_02', 'two')
  await rm(join(folder, '..2026_01'), { recursive: true })
  assert.equal(await texts.next(), 'two')
  await publish('2026_03', 'three')
  await rm(join(folder, '..2026_02'), { recursive: true })
  assert.equal(await texts.next(), 'three')
})

test('each renaming of a new file over the old one by an editor is noticed', async (t) => {
  const file = join(await makeFolder(t), 'porthole.yaml')
  await writeFile(file, 'one')
  const { texts } = watchFor(t, file, 'one')
  for (const text of ['two', 'three']) {
    await replace(file, text)
    assert.equal(await texts.next(), text)
  }
})

test('the same text written again is no change', async (t) => {
  const file = join(await makeFolder(t), 'porthole.yaml')
  await writeFile(file, 'one')
  const { texts } = watchFor(t, file, 'one', 5)
  await replace(file, 'one')
  await replace(file, 'two')
  assert.equal(await texts.next(), 'two')
})

test('a deleted file is reported once, and comes back as a change even with its old text', async (t) => {
  const file = join(await makeFolder(t), 'porthole.yaml')
  await writeFile(file, 'one')
  const { texts, problems } = watchFor(t, file, 'one', 5)
  await unlink(file)
  const problem = await problems.next()
  assert.equal(problem.place, file)
  assert.match(problem.message, /no such file/)
  await replace(file, 'one')
  assert.equal(await texts.next(), 'one')
  assert.deepEqual(problems.arrived, [])
})

test('a directory that is removed and made again is watched again from the next slow look on', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const folder = join(await makeFolder(t), 'etc')
  const file = join(folder, 'porthole.yaml')
  await mkdir(folder)
  await writeFile(file, 'one')
  const { texts, problems } = watchFor(t, file, 'one')
  await rm(folder, { recursive: true })
  await problems.next()
  await mkdir(folder)
  await replace(file, 'two')
  t.mock.timers.tick(never)
  assert.equal(await texts.next(), 'two')
  await replace(file, 'three')
  assert.equal(await texts.next(), 'three')
})

test('the slow look finds a change that the file system did not report', async (t) => {
  const folder = await makeFolder(t)
  await mkdir(join(folder, 'elsewhere'))
  await writeFile(join(folder, 'elsewhere', 'real.yaml'), 'one')
  await mkdir(join(folder, 'etc'))
  const file = join(folder, 'etc', 'porthole.yaml')
  await symlink(join(folder, 'elsewhere', 'real.yaml'), file)
  const { texts } = watchFor(t, file, 'one', 20)
  await replace(join(folder, 'elsewhere', 'real.yaml'), 'two')
  assert.equal(await texts.next(), 'two')
})

test('the next look waits until the last change has been applied', async (t) => {
  const file = join(await makeFolder(t), 'porthole.yaml')
  await writeFile(file, 'one')
  const begun = collect<string>()
  const gate = Promise.withResolvers<void>()
  const onChange = (bytes: Uint8Array) => {
    begun.push(textOf(bytes))
    return gate.promise
  }
  const watching = watchConfig({ file, seen: null, onChange, onError: () => {}, debounceMs: 1, pollMs: 5 })
  t.after(() => watching.close())
  assert.equal(await begun.next(), 'one')

  const other = watchFor(t, file, 'one', 5)
  await replace(file, 'two')
  assert.equal(await other.texts.next(), 'two')
  assert.deepEqual(begun.arrived, [], 'a second change began while the first was being applied')
  gate.resolve()
  assert.equal(await begun.next(), 'two')
})

test('forgotten content is a change again at the next look', async (t) => {
  const file = join(await makeFolder(t), 'porthole.yaml')
  await writeFile(file, 'one')
  const texts = collect<string>()
  let isFirst = true
  const watching = watchConfig({
    file,
    seen: null,
    onChange(bytes) {
      texts.push(textOf(bytes))
      if (isFirst) watching.forget()
      isFirst = false
    },
    onError: () => {},
    pollMs: 5,
  })
  t.after(() => watching.close())
  assert.deepEqual([await texts.next(), await texts.next()], ['one', 'one'])
  await replace(file, 'two')
  assert.equal(await texts.next(), 'two')
})

test('after close nothing is reported', async (t) => {
  const file = join(await makeFolder(t), 'porthole.yaml')
  await writeFile(file, 'one')
  // The watch has begun to read, and the text would be a change.
  const closed = watchFor(t, file, null, 5)
  const open = watchFor(t, file, 'one', 5)
  closed.close()
  await replace(file, 'two')
  assert.equal(await open.texts.next(), 'two')
  assert.deepEqual([closed.texts.arrived, closed.problems.arrived], [[], []])
})

/** Overwrites a file in place, without a new file. */
async function writeInPlace(file: string, ...chunks: readonly (string | number)[]): Promise<void> {
  const handle = await open(file, 'w')
  for (const chunk of chunks) {
    if (typeof chunk === 'number') await sleep(chunk)
    else await handle.write(chunk)
  }
  await handle.close()
}

test('a file that is written in place in several chunks is used once it is complete', async (t) => {
  const file = join(await makeFolder(t), 'porthole.yaml')
  await writeFile(file, 'one')
  const { texts, problems } = watchFor(t, file, 'one')
  // The file is emptied first, as editors do. One second of silence is more than a slow machine takes between two writes.
  await writeInPlace(file, 300, 'first ', 300, 'second ', 300, 'third')
  assert.equal(await texts.next(), 'first second third')
  assert.deepEqual([texts.arrived, problems.arrived], [[], []])
})

test('a file that was removed and is written again in chunks is used once it is complete', async (t) => {
  const file = join(await makeFolder(t), 'porthole.yaml')
  await writeFile(file, 'one')
  const { texts } = watchFor(t, file, 'one')
  await unlink(file)
  await writeInPlace(file, 'first ', 300, 'second')
  assert.equal(await texts.next(), 'first second')
})

test('a file that is renamed over the old one is used at once, also while the old one was being written', async (t) => {
  const file = join(await makeFolder(t), 'porthole.yaml')
  await writeFile(file, 'one')
  const texts = collect<string>()
  const ages: number[] = []
  const watching = watchConfig({
    file,
    seen: digestOf('one'),
    onChange(bytes, sameForMs) {
      ages.push(sameForMs)
      texts.push(textOf(bytes))
    },
    onError: () => {},
    debounceMs: 10,
    settleMs: never,
    pollMs: 20,
  })
  t.after(() => watching.close())
  await sleep(100)
  await replace(file, 'two')
  assert.equal(await texts.next(), 'two')
  await writeInPlace(file, 'half')
  await watching.look()
  assert.equal(await texts.next(), 'half', 'an explicit look uses the current content')
  await sleep(100)
  await replace(file, 'three')
  assert.equal(await texts.next(), 'three')
  assert.deepEqual(ages, Array(3).fill(Number.POSITIVE_INFINITY))
})

test('postponed content is used once it stayed the same for the given time', async (t) => {
  const file = join(await makeFolder(t), 'porthole.yaml')
  await writeFile(file, 'one')
  const texts = collect<string>()
  const ages: number[] = []
  const watching = watchConfig({
    file,
    seen: digestOf('one'),
    onChange(bytes, sameForMs) {
      ages.push(sameForMs)
      texts.push(textOf(bytes))
      if (sameForMs < 300) watching.postpone(300)
    },
    onError: () => {},
    debounceMs: 10,
    settleMs: 100,
    pollMs: never,
  })
  t.after(() => watching.close())
  await writeInPlace(file, 'two')
  assert.deepEqual([await texts.next(), await texts.next()], ['two', 'two'])
  assert.ok((ages[0] ?? 0) >= 100 && (ages[1] ?? 0) >= 300, `${ages}`)
  await writeInPlace(file, 'three')
  assert.deepEqual([await texts.next(), await texts.next()], ['three', 'three'])
})

test('a file that keeps changing is reported once, and is a change once it stays the same', async (t) => {
  const file = join(await makeFolder(t), 'porthole.yaml')
  await writeFile(file, 'one')
  let skippedMs = 0
  const texts = collect<string>()
  const problems = collect<Problem>()
  const watching = watchConfig({
    file,
    seen: digestOf('one'),
    onChange: (bytes) => texts.push(textOf(bytes)),
    onError: problems.push,
    debounceMs: 1,
    settleMs: 1000,
    pollMs: 20,
    now: () => performance.now() + skippedMs,
  })
  t.after(() => watching.close())
  let writes = 0
  const writing = setInterval(() => {
    writes++
    if (writes === 20) skippedMs = 30_000
    // The size differs each time, and the file is never the same for one second.
    void writeFile(file, 'x'.repeat(writes))
  }, 20)
  t.after(() => clearInterval(writing))
  assert.match((await problems.next()).message, /^the file keeps changing/)
  clearInterval(writing)
  assert.match(await texts.next(), /^x+$/)
  assert.deepEqual(problems.arrived, [])
})

test('a file that is not regular, or has no end, is a problem, and the next good file is read', async (t) => {
  const folder = await makeFolder(t)
  const file = join(folder, 'porthole.yaml')
  await writeFile(file, 'one')
  const { texts, problems } = watchFor(t, file, 'one')
  const large = join(folder, 'large')
  await writeFile(large, '')
  await truncate(large, 64 * 1024 * 1024 + 1)
  spawnSync('mkfifo', [join(folder, 'pipe')])
  for (const [target, message] of [
    [join(folder, 'pipe'), 'this is a pipe: put a regular file in its place, or a symbolic link to one'],
    ['/dev/zero', 'this is a character device: put a regular file in its place, or a symbolic link to one'],
    [folder, 'this is a directory: name the file in it'],
    [large, 'the file has more than 64 MiB, which is the most for a configuration: see whether this is the right file'],
  ] as const) {
    await symlink(target, `${file}~`)
    await rename(`${file}~`, file)
    assert.deepEqual(await problems.next(), { place: file, path: '', message })
    const good = join(folder, 'good')
    await writeFile(good, target)
    await symlink(good, `${file}~`)
    await rename(`${file}~`, file)
    assert.equal(await texts.next(), target)
  }
})

test('a pipe is read once, to its end, within a deadline', async (t) => {
  const pipe = join(await makeFolder(t), 'pipe')
  spawnSync('mkfifo', [pipe])
  const written = writeFile(pipe, 'text')
  const read = await readConfigOnce(pipe)
  await written
  assert.ok(read.ok)
  assert.deepEqual([textOf(read.content.bytes), read.content.isRegular], ['text', false])

  const late = await readConfigOnce(pipe, { deadlineMs: 50 })
  assert.ok(!late.ok)
  assert.match(
    late.problem.message,
    /^this is a pipe, and the program that writes to it did not close it within 0\.05 s/,
  )
  const again = await readConfigOnce(pipe, { deadlineMs: never })
  assert.ok(!again.ok, 'a second call waits beside the first')
  // Opening the other end makes the first call return.
  await (await open(pipe, 'w')).close()
  await late.ended
  const third = readConfigOnce(pipe)
  await writeFile(pipe, 'third')
  const found = await third
  assert.ok(found.ok)
  assert.equal(textOf(found.content.bytes), 'third')
})
