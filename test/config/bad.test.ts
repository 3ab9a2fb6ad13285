import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseConfig } from '../../src/config/config.ts'
import { formatProblem } from '../../src/config/problem.ts'

const folder = join(import.meta.dirname, 'bad')
const names = readdirSync(folder)
const inputs = names.filter((name) => !name.endsWith('.txt'))

for (const name of inputs) {
  test(`${name} is rejected with exactly the lines in the file beside it`, () => {
    const expected = readFileSync(join(folder, `${name}.txt`), 'utf8')
    const result = parseConfig({ file: { name, text: readFileSync(join(folder, name), 'utf8') }, targets: [], env: {} })
    assert.equal(result.ok, false, 'the file is accepted')
    assert.equal(result.ok ? '' : result.problems.map((problem) => `${formatProblem(problem)}\n`).join(''), expected)
  })
}

test('every expectation belongs to a file', () => {
  assert.deepEqual(
    names.filter((name) => name.endsWith('.txt')),
    inputs.map((name) => `${name}.txt`).sort(),
  )
})
