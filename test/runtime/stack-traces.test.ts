import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { test } from 'node:test'
import { transform } from 'esbuild'
import { findPosition } from '../../src/runtime/stack-traces.ts'

test('positions are found as Node.js finds them', async () => {
  const source = readFileSync(new URL('../../src/runtime/stack-traces.ts', import.meta.url), 'utf8')
  for (const minifyWhitespace of [false, true]) {
    const { code, map } = await transform(source, { loader: 'ts', sourcemap: true, minifyWhitespace })
    const parsed = JSON.parse(map)
    const reference = new SourceMap(parsed)
    let compared = 0
    for (const [line, text] of code.split('\n').entries()) {
      for (let column = 0; column < text.length; column += 7) {
        const entry = reference.findEntry(line, column)
        const found = findPosition(parsed.mappings, line, column)
        if (!('originalLine' in entry) || entry.generatedLine !== line) continue
        assert.deepEqual(found, { source: 0, line: entry.originalLine, column: entry.originalColumn })
        compared++
      }
    }
    assert(compared > 100, `${compared} positions`)
  }
})

test('a position that no source has is null', () => {
  assert.equal(findPosition('AAAA', 1, 0), null)
  assert.equal(findPosition('', 0, 0), null)
  assert.equal(findPosition('C,CAAC', 0, 1), null)
  assert.deepEqual(findPosition('C,CAAC', 0, 2), { source: 0, line: 0, column: 1 })
})
