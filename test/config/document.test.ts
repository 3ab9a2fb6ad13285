import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readDocument } from '../../src/config/document.ts'

function read(name: string, text: string) {
  const result = readDocument(name, text)
  assert.ok(result.ok, JSON.stringify(result))
  return result.document
}

function flawsIn(name: string, text: string): string[] {
  const result = readDocument(name, text)
  return result.ok ? [] : result.flaws.map(({ line, column, message }) => `${line}:${column} ${message}`)
}

const yaml = `services:
  postgres:
    targets:
      - db-1:5432
      - "[::1]:5432"
    timeout: 2s
    minAge:
  redis: { targets: [cache:6379], quorum: any }
`

test('a value and its key are found at line and column', () => {
  const { locate } = read('a.yaml', yaml)
  const service = ['services', 'postgres']
  assert.deepEqual(locate([...service, 'timeout'], 'value'), { line: 6, column: 14 })
  assert.deepEqual(locate([...service, 'timeout'], 'key'), { line: 6, column: 5 })
  assert.deepEqual(locate([...service, 'targets', 1], 'value'), { line: 5, column: 9 })
  assert.deepEqual(locate(['services', 'redis', 'quorum'], 'value'), { line: 8, column: 43 })
  assert.deepEqual(locate([], 'value'), { line: 1, column: 1 })
})

test('a value that is absent has the place of the nearest key above it', () => {
  const { locate } = read('a.yaml', yaml)
  assert.deepEqual(locate(['services', 'postgres', 'minAge'], 'value'), { line: 7, column: 5 })
  assert.deepEqual(locate(['services', 'redis', 'interval'], 'value'), { line: 8, column: 3 })
  assert.deepEqual(locate(['services', 'redis', 'targets', 7], 'value'), { line: 8, column: 12 })
  assert.deepEqual(locate(['services', 'redis', 'quorum', 'deeper'], 'value'), { line: 8, column: 35 })
})

test('behind an alias a value has the place where it is written', () => {
  const { value, locate } = read('a.yaml', 'a: &a { timeout: 2 }\nb: *a\n')
  assert.deepEqual(value, { a: { timeout: 2 }, b: { timeout: 2 } })
  assert.deepEqual(locate(['b'], 'value'), { line: 2, column: 4 })
  assert.deepEqual(locate(['b', 'timeout'], 'value'), { line: 1, column: 18 })
})

test('JSON has the same places as the same text read as YAML', () => {
  const { locate } = read('a.json', '{\n\t"services": {\n\t\t"db \\u00e9": { "timeout": 2 }\n\t}\n}')
  assert.deepEqual(locate(['services', 'db é', 'timeout'], 'value'), { line: 3, column: 29 })
})

test('any value in JSON, and any absent one, has the same place as in the same text read as YAML', () => {
  const step = fc.oneof(fc.constantFrom('a', 'b', 'a"b', 'é:', ''), fc.nat(3))
  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(null, true, 0, -1.5e3, '', 'x:y', '{"a":1}', 'two\nlines'),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom('a', 'b', 'a"b', 'é:', ''), tie('value'), { noNullPrototype: true }),
    ),
  })).value
  const text = fc
    .tuple(value, fc.constantFrom(undefined, 1, '\t'), fc.constantFrom('', ' ', '\n'))
    .map(([value, indent, space]) => space + JSON.stringify(value, null, indent).replaceAll('":', `"${space}:`))
  fc.assert(
    fc.property(text, fc.array(step, { maxLength: 4 }), fc.constantFrom('key', 'value'), (json, path, part) => {
      assert.deepEqual(read('a.json', json).locate(path, part), read('a.yaml', json).locate(path, part))
    }),
    { numRuns: 2000 },
  )
})

test('all keys of a section are found at once', () => {
  assert.deepEqual(
    [...read('a.yaml', yaml).keysIn('services')],
    [
      ['postgres', { line: 2, column: 3 }],
      ['redis', { line: 8, column: 3 }],
    ],
  )
  const behindAlias = read('a.yaml', 'shared: &x\n  a: 1\nservices: *x\n')
  assert.deepEqual([...behindAlias.keysIn('services')], [['a', { line: 2, column: 3 }]])
  for (const text of ['services: [a]', 'services:', 'a: { services: { b: 1 } }', '[]', '7', '']) {
    assert.equal(read('a.yaml', text).keysIn('services').size, 0, text)
  }
})

test('the keys of a section of JSON have the same places as in the same text read as YAML', () => {
  const json = fc.record({ services: fc.jsonValue(), groups: fc.jsonValue() })
  const spaces = fc.constantFrom('', ' ', '\t', '\n', '\r\n')
  const text = fc
    .tuple(json, fc.constantFrom(undefined, 1, '\t'), spaces)
    .map(([value, indent, space]) => JSON.stringify(value, null, indent).replaceAll('":', `"${space}:`))
    .filter((json) => !json.includes('"__proto__"'))
  fc.assert(
    fc.property(text, (json) => {
      const { value, keysIn, locate } = read('a.json', json)
      const { services } = value as { services: unknown }
      const names = typeof services === 'object' && !Array.isArray(services) ? Object.keys(services ?? {}) : []
      const expected = names.map((name) => [name, locate(['services', name], 'key')] as const)
      assert.deepEqual(keysIn('services'), new Map(expected))
    }),
  )
})

test('a byte order mark shifts no column', () => {
  assert.deepEqual(read('a.yaml', '\uFEFFa: 1\n').locate(['a'], 'value'), { line: 1, column: 4 })
  assert.deepEqual(read('a.json', '\uFEFF{"a": 1}').value, { a: 1 })
  assert.deepEqual(read('a.json', '\uFEFF{"a":{"b": 1}}').keysIn('a').get('b'), { line: 1, column: 7 })
})

test('YAML is always version 1.2: off, no and 0777 are no booleans and octals', () => {
  assert.deepEqual(read('a.yaml', '%YAML 1.1\n---\n{ a: off, b: no, c: 0777, 1: d, null: e }').value, {
    a: 'off',
    b: 'no',
    c: 777,
    1: 'd',
    null: 'e',
  })
})

test('one anchor may be used once for each service', () => {
  const lines = Array.from({ length: 500 }, (_, index) => `s${index}: *shared`)
  const { value } = read('a.yaml', `a: &shared [x:1]\n${lines.join('\n')}\n`)
  assert.deepEqual((value as Record<string, unknown>).s499, ['x:1'])
})

test('equal keys in JSON are found in any spelling, and colons in text are no keys', () => {
  assert.deepEqual(flawsIn('a.json', '{"a": 1, "\\u0061": 2}'), [
    '1:10 "a" is already written at line 1, column 2: keep one of them',
  ])
  assert.deepEqual(read('a.json', '{"a": ["b:", "\\":", "c\\\\"], "d" : "x"}').value, {
    a: ['b:', '":', 'c\\'],
    d: 'x',
  })
})

test('ten thousand nested brackets are rejected and do not crash', () => {
  for (const name of ['a.yaml', 'a.json']) {
    const [flaw = ''] = flawsIn(name, '['.repeat(50_000) + ']'.repeat(50_000))
    assert.match(flaw, /nested too deeply/)
  }
})

test('any JSON has the same value when it is read as YAML', () => {
  const text = fc
    .dictionary(fc.string({ maxLength: 20 }), fc.jsonValue({ maxDepth: 4 }))
    .map((value) => JSON.stringify(value, null, 1))
    .filter((json) => !json.includes('"__proto__"'))
  fc.assert(
    fc.property(text, (json) => {
      assert.deepEqual(read('a.json', json).value, JSON.parse(json))
      assert.deepEqual(read('a.yaml', json).value, JSON.parse(json))
    }),
  )
})
