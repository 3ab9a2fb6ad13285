import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { whyNoKernelProber } from '../make-kernel.ts'

const skip = await whyNoKernelProber()

/** Runs a program with a started prober and a function `check` that checks a port of this machine. */
function run(program: string, ...flags: string[]) {
  const source = `
    const { startKernelProber } = await import('${import.meta.resolve('../../../src/prober/kernel/kernel.ts')}')
    const { targetAt } = await import('${import.meta.resolve('../../../src/domain/target/target.ts')}')
    const { awaitOutcome } = await import('${import.meta.resolve('../../../src/prober/prober.ts')}')
    const { createResolver } = await import('${import.meta.resolve('../../../src/prober/lookup/resolver.ts')}')
    const clock = { now: () => performance.now() }
    const prober = await startKernelProber({ clock, resolver: createResolver({ clock }) })
    const check = (port, close = 'rst', urgent = true) =>
      awaitOutcome(prober, { target: targetAt('127.0.0.1', port), timeoutMs: 60_000, close, urgent })
    ${program}`
  const folder = mkdtempSync(join(tmpdir(), 'porthole-test-'))
  try {
    writeFileSync(join(folder, 'program.mjs'), source)
    return spawnSync(process.execPath, [...flags, join(folder, 'program.mjs')], {
      encoding: 'utf8',
      timeout: 120_000,
      env: { ...process.env, NODE_TEST_CONTEXT: undefined },
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('the kernel prober: the process ends by itself once the prober is closed', { skip }, () => {
  const { status, stdout, stderr } = run(`
    const last = check(1)
    await prober.close()
    console.log(await last, await check(1))`)
  assert.deepEqual([status, stdout, stderr], [0, 'undefined undefined\n', ''])
})

test('the kernel prober: process.exit does not wait for the prober', { skip }, () => {
  const { status, signal } = run('await check(1); process.exit(3)')
  assert.deepEqual([status, signal], [3, null])
})

test('the kernel prober: an uncaught exception ends the process as usual', { skip }, () => {
  const { status, signal, stderr } = run(`setTimeout(() => { throw new Error('a bug') }, 10)`)
  assert.deepEqual([status, signal], [1, null])
  assert.match(stderr, /a bug/)
})

test('the kernel prober: the heap of the main thread does not grow with 50,000 checks', { skip }, () => {
  const { status, stdout, stderr } = run(
    `
    const { createServer } = await import('node:net')
    const server = createServer((socket) => socket.on('error', () => {}))
    await new Promise((done) => server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, done))
    const { port } = server.address()
    async function rounds(count) {
      for (let round = 0; round < count; round++)
        await Promise.all(Array.from({ length: 500 }, (_, i) => check(i % 5 ? port : 1, 'half-open')))
    }
    const heap = () => { gc(); return process.memoryUsage().heapUsed / 2 ** 20 }
    await rounds(20)
    const before = heap()
    await rounds(100)
    console.log(heap() - before)
    server.close()
    await prober.close()`,
    '--expose-gc',
  )
  assert.deepEqual([status, stderr], [0, ''])
  assert.ok(Number(stdout) < 3, `the heap grew by ${stdout.trim()} MB`)
})
