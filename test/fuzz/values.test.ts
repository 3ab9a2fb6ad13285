import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import fc from 'fast-check'
import { readDocument, type Schema } from './document.ts'
import { createHarvest } from './harvest.ts'
import { createValues } from './values.ts'

const components = {
  schemas: {
    Duration: { type: 'string', pattern: '^(\\d+(?:\\.\\d+)?)(ms|s|m|h|d)$', examples: ['10s'] },
    Name: { type: 'string', pattern: '^(?! )[^\\p{Cc}\\p{Cs}]{1,200}(?<! )$' },
    Tree: { type: 'object', properties: { left: { $ref: '#/components/schemas/Tree' } }, required: ['left'] },
  },
} satisfies { schemas: Record<string, Schema> }
const described = readDocument({ paths: {}, components })

const schemas: Record<string, Schema> = {
  anything: {},
  'a constant': { const: 'off' },
  'an enum': { enum: ['a', 1, null] },
  'an integer in bounds': { type: 'integer', minimum: 1, maximum: 1000 },
  'a number above a bound': { type: 'number', exclusiveMinimum: 0.5, maximum: 3 },
  'several types': { type: ['string', 'null', 'boolean'] },
  'a length': { type: 'string', minLength: 3, maxLength: 5 },
  'a time': { type: 'string', format: 'date-time' },
  'a pattern': { $ref: '#/components/schemas/Duration' },
  'a pattern with look-arounds': { $ref: '#/components/schemas/Name' },
  'a choice': { anyOf: [{ const: 'off' }, { $ref: '#/components/schemas/Duration' }, { type: 'integer', minimum: 1 }] },
  'one of two': { oneOf: [{ type: 'boolean' }, { type: 'array', items: { type: 'null' }, minItems: 2 }] },
  'all of two': {
    allOf: [
      { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] },
      { properties: { b: { const: 1 } }, required: ['b'] },
    ],
  },
  'unique members': {
    type: 'array',
    items: { type: 'integer', minimum: 0, maximum: 9 },
    minItems: 2,
    uniqueItems: true,
  },
  'an object': {
    type: 'object',
    properties: {
      targets: { type: 'array', items: { type: 'string' }, minItems: 1 },
      rise: { type: 'integer', minimum: 1 },
    },
    required: ['targets'],
    additionalProperties: false,
  },
  'a map': { type: 'object', additionalProperties: { $ref: '#/components/schemas/Duration' } },
}

for (const [what, schema] of Object.entries(schemas)) {
  test(`values generated for ${what} match the schema`, () => {
    const ajv = new Ajv2020({ strict: false })
    formats.default(ajv)
    const validate = ajv.compile({ ...schema, components })
    const values = createValues(described, createHarvest())(schema, 'x')
    fc.assert(
      fc.property(values, (value) =>
        assert.ok(validate(value), `${JSON.stringify(value)} ${ajv.errorsText(validate.errors)}`),
      ),
    )
  })
}

test('values of a schema that refers to itself are finite', () => {
  const values = createValues(described, createHarvest())({ $ref: '#/components/schemas/Tree' }, 'x')
  assert.match(JSON.stringify(fc.sample(values, 1)[0]), /^\{"left":\{.*\}\}$/)
})

/** Returns the texts that are generated for a schema after these answers. */
function textsAfter(answers: readonly unknown[], schema: Schema, name: string): Set<unknown> {
  const harvest = createHarvest()
  for (const answer of answers) harvest.take('/', JSON.stringify(answer), undefined)
  return new Set(
    fc.sample(createValues(described, harvest)({ type: 'string', ...schema }, name), { numRuns: 200, seed: 1 }),
  )
}

test('texts of answers are used again under the same key, in singular or plural, or under a key that the description names', () => {
  const answers = [{ services: [{ service: 'pg', groups: ['payments'] }], next: 'cGc', id: '17' }]
  assert.ok(textsAfter(answers, {}, 'service').has('pg'))
  assert.ok(textsAfter(answers, {}, 'group').has('payments'))
  assert.ok(textsAfter(answers, {}, 'lastEventId').has('17'))
  assert.ok(textsAfter(answers, { description: 'The `next` of the page before.' }, 'cursor').has('cGc'))
  assert.ok(!textsAfter(answers, {}, 'service').has('payments'))
  assert.ok(!textsAfter(answers, { pattern: '^x' }, 'service').has('pg'))
})

test('examples, and values that descriptions quote, are used', () => {
  const texts = textsAfter([], { examples: ['800ms'], description: 'Such as `2s`, or `all`.' }, 'wait')
  for (const text of ['800ms', '2s', 'all']) assert.ok(texts.has(text), text)
})
