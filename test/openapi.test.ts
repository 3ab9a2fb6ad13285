import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import { documentFile, generateDocument } from '../openapi/generate.ts'
import type { OpenApi } from './http/document.ts'
import { build } from './support/app.ts'

type Parameter = { name: string; in: string; description?: string; required?: boolean; schema: Record<string, unknown> }
type Operation = OpenApi['paths'][string][string] & {
  summary?: string
  operationId?: string
  tags?: string[]
  parameters?: Parameter[]
}

const text = await generateDocument()
const document = JSON.parse(text) as OpenApi & { tags: { name: string }[] }
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({
    name: `${method} ${path}`,
    path,
    operation: operation as Operation,
  })),
)

test('the committed document matches the running routes', () => {
  assert.equal(readFileSync(documentFile, 'utf8'), text, 'run `npm run openapi` and commit what it wrote')
})

test('/openapi.json serves the committed document, apart from its version', async (t) => {
  const { get } = await build(t)
  const served = (await get('/openapi.json')).json()
  const { version } = JSON.parse(text).info
  assert.deepEqual({ ...served, info: { ...served.info, version } }, JSON.parse(text))
})

test('the document is valid OpenAPI 3.1', async () => {
  const validator = new Validator()
  const { valid, errors } = await validator.validate(JSON.parse(text))
  assert.ok(valid, JSON.stringify(errors, null, 2))
  assert.equal(validator.version, '3.1')
})

test('every operation has a summary, a described tag, and a unique operationId', () => {
  const tags = new Set(document.tags.map(({ name }) => name))
  for (const { name, operation } of operations) {
    assert.ok(operation.summary, `${name} has a summary`)
    assert.match(operation.operationId ?? '', /^[a-z][A-Za-z]+$/, `${name} has an operationId`)
    assert.ok(operation.tags?.every((tag) => tags.has(tag)) && operation.tags.length > 0, `${name} has a known tag`)
  }
  assert.equal(new Set(operations.map(({ operation }) => operation.operationId)).size, operations.length)
})

test('every response describes its content', () => {
  for (const { name, operation } of operations) {
    for (const [status, { content = {} }] of Object.entries(operation.responses)) {
      for (const [type, { schema }] of Object.entries(content))
        assert.notDeepEqual(schema ?? {}, {}, `${name} ${status} ${type}`)
    }
  }
})

test('every 4xx and 504 is a problem, a 503 may be one, and no other response is', () => {
  for (const { name, operation } of operations) {
    for (const [status, { content = {} }] of Object.entries(operation.responses)) {
      const types = Object.keys(content)
      const isError = status.startsWith('4') || status === '504'
      const isProblem = types.includes('application/problem+json')
      // Health answers 503 for a service that is down, and that is not an error.
      if (status === '503') continue
      assert.equal(isProblem, isError, `${name} ${status}`)
      // Pages and badges answer 404 and 503 in their own media type.
      const others = types.filter((type) => !['application/problem+json', 'text/html', 'image/svg+xml'].includes(type))
      if (isProblem) assert.deepEqual(others, [], `${name} ${status}`)
    }
  }
})

test('the schema of a parameter has one form, which a client can satisfy', () => {
  for (const { name, operation } of operations) {
    for (const parameter of operation.parameters ?? []) {
      const { schema } = parameter
      const what = `${name} ${parameter.name}: ${JSON.stringify(schema)}`
      assert.ok(parameter.in === 'path' || parameter.description, `${what} has a description`)
      assert.equal(typeof schema.type, 'string', what)
      assert.equal(schema.anyOf, undefined, what)
      const members = (schema.enum ?? []) as unknown[]
      assert.ok(
        members.every((member) => typeof member === schema.type),
        what,
      )
    }
  }
  const health = operations.find(({ path }) => path === '/health')?.operation.parameters ?? []
  assert.deepEqual(
    health.filter((parameter) => parameter.in === 'query').map(({ name, schema }) => [name, schema.type]),
    [
      ['group', 'array'],
      ['exclude', 'array'],
      ['quorum', 'string'],
      ['verbose', 'string'],
      ['degraded', 'string'],
      ['maxAge', 'string'],
      ['wait', 'string'],
    ],
  )
})
