import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { findRepeatedKeys } from '../../../src/http/requests/json-keys.ts'

/** Returns the pointers found, and how often the search yielded. */
function find(text: string): { pointers: string[]; yields: number } {
  const search = findRepeatedKeys(text)
  for (let yields = 0; ; yields++) {
    const turn = search.next()
    if (turn.done) return { pointers: turn.value.map(({ pointer }) => pointer), yields }
  }
}

for (const [text, ...pointers] of [
  ['{"a":1,"a":2}', '/a'],
  ['{"a":{"b":1,"c":[],"b":2}}', '/a/b'],
  ['[{"a":1},{"a":1,"b":2,"a":3}]', '/1/a'],
  ['{"a":[[],{"x":"}{\\"","x":0}],"a":1}', '/a/1/x', '/a'],
  ['{"a":1,"\\u0061":2}', '/a'],
  ['{"a/b~":1,"a/b~":2}', '/a~1b~0'],
  ['{ "a" : 1 , "a"\n: 1 , "a": 1 }', '/a', '/a'],
  ['{"":1,"":2}', '/'],
  ['{"\\\\":1,"\\\\":2}', '/\\'],
  ['{"a":{"a":{"a":1}},"b":"a","c":["a","a"]}'],
  ['{"a":"\\\\","b":"\\""}'],
  ['"a"'],
  ['[]'],
] as const) {
  test(`${text} has ${pointers.length === 0 ? 'no key twice' : `${pointers.join(', ')} twice`}`, () => {
    JSON.parse(text)
    assert.deepEqual(find(text).pointers, pointers)
  })
}

test('output of JSON.stringify has no key twice', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      assert.deepEqual(find(JSON.stringify(value)).pointers, [])
    }),
  )
})

test('a repeated key is found in every object of every value', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.string(), fc.array(fc.constantFrom('list', 'object')), (value, key, around) => {
      const member = `${JSON.stringify(key)}:${JSON.stringify(value)}`
      const text = around.reduce(
        (inner, kind) => (kind === 'list' ? `[0,${inner}]` : `{"in":${inner}}`),
        `{${member},${member}}`,
      )
      JSON.parse(text)
      assert.equal(find(text).pointers.length, 1)
    }),
  )
})

test('a long text is searched in several turns, and at most 20 keys are reported', () => {
  assert.ok(find(`{"a":"${'x'.repeat(10_000_000)}","b":[${'1,'.repeat(1_000_000)}1]}`).yields >= 5)
  assert.equal(find(`{${'"a":1,'.repeat(100_000)}"a":1}`).pointers.length, 20)
})
