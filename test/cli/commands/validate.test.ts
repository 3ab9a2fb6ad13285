import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { validate } from '../../../src/cli/commands/validate.ts'

async function run(file: string) {
  const out: string[] = []
  const err: string[] = []
  const code = await validate(file, { out: (line) => out.push(line), err: (line) => err.push(line) })
  return { code, out, err }
}

function write(t: TestContext, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'porthole-validate-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'porthole.yaml'), text)
  return join(folder, 'porthole.yaml')
}

test('the example at the root is valid, and needs no advice', async () => {
  const file = join(import.meta.dirname, '../../../porthole.yaml')
  assert.deepEqual(await run(file), { code: 0, out: [`${file}: ok, 4 services, 5 targets`], err: [] })
})

test('a valid file prints its size and then the advice', async (t) => {
  const file = write(t, 'services:\n  db: { targets: [db:1], timeout: 1s }\n')
  assert.deepEqual(await run(file), {
    code: 0,
    out: [
      `${file}: ok, 1 service, 1 target`,
      `${file}:2:35: advice: services.db.timeout: a timeout of 1s leaves no room for one lost packet, which Linux sends again after 1s: write 1100ms or more`,
    ],
    err: [],
  })
})

test('an invalid file prints every problem on its own line and exits with 1', async (t) => {
  const file = write(t, 'services:\n  db: { targets: [db:1], timeout: 2, interval: 0s }\n')
  assert.deepEqual(await run(file), {
    code: 1,
    out: [],
    err: [
      `${file}:2:35: services.db.timeout: 2 has no unit: write 2s, or 2m`,
      `${file}:2:48: services.db.interval: 0s is out of range: write 100ms to 1d, or off to check only when asked`,
    ],
  })
})

test('a missing file exits with 1', async () => {
  const { code, err } = await run('/nowhere/porthole.yaml')
  assert.deepEqual([code, err.length], [1, 1])
})
