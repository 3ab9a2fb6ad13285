import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Problem } from '../../src/config/problem.ts'
import { watchConfig } from '../../src/config/watch.ts'

/** Only what the file system reports can make a test with this pass in time. */
const never = 3_600_000
const deadlineMs = 10_000

async function makeFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'porthole-watch-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Writes as editors do, and never seen half written. */
async function replace(file: string, text: string): Promise<void> {
  await writeFile(`${file}~`, text)
  await rename(`${file}~`, file)
}

/** Values that arrive one by one; `next` waits for the one after those already taken. */
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
      // Also keeps the process alive: a watch on its own does not.
      const deadline = setTimeout(() => reject(new Error('nothing arrived in 10 s')), deadlineMs)
      if (arrived.length === 0) await promise.finally(() => clearTimeout(deadline))
      clearTimeout(deadline)
      return arrived.shift() as Value
    },
  }
}

const digestOf = (text: string) => hash('sha256', text, 'base64')
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

/** `seen` is the text that is in use already. */
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

test('a file written anew is reported with its text', async (t) => {
  const file = join(await makeFolder(t), 'porthole.yaml')
  await writeFile(file, 'one')
  const { texts } = watchFor(t, file, 'one')
  await writeFile(file, 'two')
  // Written in place, a file is empty for a moment.
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
  // The kubelet's way: a directory per version, `..data` pointing at the current one, the file pointing through it.
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

test('an editor that renames a new file over the old one is noticed, each time', async (t) => {
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

test('a file that is deleted is told once, and comes back as a change even with its old text', async (t) => {
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

test('the slow look finds what the file system did not report', async (t) => {
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

test('the next look waits until the last change has been dealt with', async (t) => {
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
  assert.deepEqual(begun.arrived, [], 'a second change began while the first was being dealt with')
  gate.resolve()
  assert.equal(await begun.next(), 'two')
})

test('what is forgotten is a change again at the next look', async (t) => {
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

test('after close nothing is reported any more', async (t) => {
  const file = join(await makeFolder(t), 'porthole.yaml')
  await writeFile(file, 'one')
  // It has begun to read, and what it reads would be news.
  const closed = watchFor(t, file, null, 5)
  const open = watchFor(t, file, 'one', 5)
  closed.close()
  await replace(file, 'two')
  assert.equal(await open.texts.next(), 'two')
  assert.deepEqual([closed.texts.arrived, closed.problems.arrived], [[], []])
})
