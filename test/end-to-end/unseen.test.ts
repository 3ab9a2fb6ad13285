/** Characters that could fool a terminal, in the output of the process. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { hidesCharacters } from '../../src/domain/values/quote.ts'
import { createFolder, launch, runPorthole } from '../support/process.ts'

const name = 'pay\u202ements31m\u200b'
const assertShows = (text: string) =>
  assert.ok(
    text.split('\n').every((line) => !hidesCharacters(line)),
    JSON.stringify(text),
  )

test('a command escapes arguments and names that would fool a terminal', async (t) => {
  const file = join(createFolder(t), 'porthole.json')
  const settings = { targets: ['127.0.0.1:1'], groups: ['a\u200bb'] }
  writeFileSync(file, JSON.stringify({ services: { [name]: settings } }))
  const valid = await runPorthole(t, ['validate', file])
  assert.equal(valid.status, 0)
  assert.match(valid.stdout, /the name "pay\\u202ements31m\\u200b" holds characters that do not show/)
  assert.match(valid.stdout, /the group "a\\u200bb" holds characters that do not show/)
  const checked = await runPorthole(t, ['check', 'db\u001b[2J\nup:5432'])
  assert.equal(checked.status, 2)
  const misused = await runPorthole(t, ['check', 'a:1', '--timeout', '\u001b[2J\nok'])
  assert.equal(misused.status, 2)
  assert.ok(misused.stderr.split('\n').length > 5, 'the usage still has many lines')
  for (const { stdout, stderr } of [valid, checked, misused]) {
    assertShows(stdout)
    assertShows(stderr)
  }
})

test('the log has the name without these characters', async (t) => {
  const { child, lines, logged } = launch(t, [`${name}=127.0.0.1:1`])
  let written = ''
  child.stdout.on('data', (bytes: Buffer) => {
    written += bytes
  })
  await logged(/^Server listening/)
  await logged(/down|up/)
  assert.ok(
    lines.some((line) => JSON.stringify(line).includes(name)),
    'the name reads back as it was',
  )
  assertShows(written)
})
