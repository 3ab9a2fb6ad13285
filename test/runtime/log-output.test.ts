import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, readFileSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createLogOutput, type DroppedLines, type LogOutput } from '../../src/runtime/log-output.ts'
import { createFolder, limitMs, until } from '../support/process.ts'

const open = (t: TestContext, path: string, flags: string | number) => {
  const fd = openSync(path, flags)
  t.after(() => closeSync(fd))
  return fd
}

/** Creates a pipe of 64 kB that the test reads. `nonBlocking` makes it like the pipe that Node.js has for stdout. */
function createPipe(t: TestContext, nonBlocking: boolean) {
  const path = join(createFolder(t), 'pipe')
  execFileSync('mkfifo', [path])
  const reader = open(t, path, constants.O_RDONLY | constants.O_NONBLOCK)
  const fd = open(t, path, constants.O_WRONLY | (nonBlocking ? constants.O_NONBLOCK : 0))
  let text = ''
  const buffer = Buffer.alloc(65_536)
  return {
    fd,
    /** Reads the content of the pipe. Returns everything that was read so far. */
    read() {
      try {
        text += buffer.toString('latin1', 0, readSync(reader, buffer))
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN')
      }
      return text
    },
  }
}

/** Writes a line about dropped lines, and remembers the dropped lines. */
function writeDropped(output: LogOutput): DroppedLines[] {
  const told: DroppedLines[] = []
  output.onResume((dropped) => {
    told.push(dropped)
    output.stream.write(`dropped ${dropped.lines}\n`)
  })
  return told
}

const line = (i: number) => `${i} ${'x'.repeat(1000)}\n`

for (const nonBlocking of [true, false]) {
  test(`behind a ${nonBlocking ? 'non-blocking ' : ''}pipe that is not read, the newest lines are dropped and a line in their place says how many`, async (t) => {
    const pipe = createPipe(t, nonBlocking)
    const output = createLogOutput({ fd: pipe.fd, maxLength: 200_000 })
    const told = writeDropped(output)
    for (let i = 0; i < 1000; i++) output.stream.write(line(i))
    const dropped = output.dropped()
    assert.ok(dropped >= 800 && dropped <= 805, `${dropped} of a million bytes, where 200,000 may wait`)
    await output.drain(1)
    assert.deepEqual(told, [])
    // Reading makes room, and the next line comes after the line about the dropped ones.
    await until('some lines were written', async () => pipe.read().length > 150_000)
    output.stream.write('after\n')
    await until('the rest was written', async () => pipe.read().endsWith('after\n'))
    await output.drain(limitMs)
    const lines = pipe.read().trimEnd().split('\n')
    const kept = 1000 - dropped
    assert.deepEqual(
      lines.map((text) => text.replace(/ x*$/, '')),
      [...Array.from({ length: kept }, (_, i) => `${i}`), `dropped ${dropped}`, 'after'],
    )
    assert.deepEqual(told, [{ lines: dropped, cause: 'its reader took nothing' }])
    assert.equal(output.dropped(), dropped)
  })
}

test('dropped lines are reported once the other lines are written, without another line', async (t) => {
  const pipe = createPipe(t, true)
  const output = createLogOutput({ fd: pipe.fd, maxLength: 100_000 })
  writeDropped(output)
  for (let i = 0; i < 150; i++) output.stream.write(line(i))
  const dropped = output.dropped()
  await until('it is told', async () => pipe.read().endsWith(`dropped ${dropped}\n`))
})

test('no line is dropped and no caller waits while a slow reader reads', async (t) => {
  const pipe = createPipe(t, true)
  const output = createLogOutput({ fd: pipe.fd })
  const told = writeDropped(output)
  for (let i = 0; i < 2000; i++) output.stream.write(line(i))
  await until('the last line is there', async () => pipe.read().endsWith(line(1999)))
  await output.drain(limitMs)
  assert.equal(pipe.read(), Array.from({ length: 2000 }, (_, i) => line(i)).join(''))
  assert.deepEqual(told, [])
})

test('with a full disk only the lines beyond the bound are dropped', async (t) => {
  const output = createLogOutput({ fd: open(t, '/dev/full', 'w'), maxLength: 10_000 })
  writeDropped(output)
  for (let i = 0; i < 20; i++) {
    output.stream.write(line(i))
    await output.drain(1)
  }
  assert.equal(output.dropped(), 11)
  await output.drain(50)
  assert.equal(output.dropped(), 11, 'the line about dropped lines is not tried before there is room')
})

test('a reader that is gone is no error, and no more than the bound waits in memory', async (t) => {
  const path = join(createFolder(t), 'pipe')
  execFileSync('mkfifo', [path])
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const output = createLogOutput({ fd: open(t, path, 'w'), maxLength: 10_000 })
  closeSync(reader)
  for (let i = 0; i < 20; i++) {
    output.stream.write(line(i))
    await output.drain(1)
  }
  assert.equal(output.dropped(), 11)
})

test('a line that is longer than the bound is dropped, and the next line is not', async (t) => {
  const path = join(createFolder(t), 'log')
  const output = createLogOutput({ fd: open(t, path, 'a'), maxLength: 1000 })
  const told = writeDropped(output)
  output.stream.write(line(0))
  output.stream.write('next\n')
  await output.drain(limitMs)
  assert.equal(readFileSync(path, 'utf8'), 'dropped 1\nnext\n')
  assert.deepEqual(told, [{ lines: 1, cause: 'one of them was too long' }])
})
