import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { build, nobody } from '../../support/app.ts'
import { sampleService } from '../../support/samples.ts'

const names = (count: number) => Array.from({ length: count }, (_, i) => `name-${i}`)
const query = (name: string, values: readonly string[]) => values.map((value) => `${name}=${value}`).join('&')

type Parameter = { readonly name: string; readonly schema: { readonly type?: string; readonly maxItems?: number } }
type Document = { readonly paths: Record<string, { readonly get?: { readonly parameters?: readonly Parameter[] } }> }

/** Returns every parameter that may be repeated, by the document of the app. */
async function repeatables(t: TestContext) {
  const built = await build(t, [sampleService('pg', [nobody], { groups: names(100) })])
  const { paths } = (await built.get('/openapi.json')).json() as Document
  const found = Object.entries(paths).flatMap(([path, { get }]) =>
    (get?.parameters ?? [])
      .filter(({ schema }) => schema.type === 'array')
      .map(({ name, schema }) => ({ path, name, schema })),
  )
  return { ...built, found }
}

test('a repeated parameter takes at most 100 different values, and the error names it', async (t) => {
  const { get, found } = await repeatables(t)
  assert.ok(found.length >= 11, `${found.length} parameters`)
  for (const { path, name, schema } of found) {
    assert.equal(schema.maxItems, 100, `${path} ${name}`)
    const { statusCode, body } = await get(`${path}?${query(name, names(101))}`)
    assert.equal(statusCode, 400, `${path} ${name}`)
    assert.equal(JSON.parse(body).detail, `${name} has more than 100 different values: write 100 at most`)
  }
})

test('100 different values are accepted, and a repeated value counts once', async (t) => {
  const { get, found } = await repeatables(t)
  for (const { path, name } of found.filter(({ path, name }) => name !== 'status' && path !== '/v1/events'))
    for (const values of [names(100), Array<string>(1200).fill('name-1')]) {
      const { statusCode, body } = await get(`${path}?${query(name, values)}`)
      assert.ok(
        statusCode === 200 || (path === '/health' && statusCode === 503),
        `${path} ${name}: ${statusCode} ${body}`,
      )
    }
})

test('/livez and /readyz accept any query', async (t) => {
  const { get } = await build(t)
  for (const path of ['/livez', '/readyz'])
    for (const name of ['exclude', 'verbose', 'group'])
      assert.equal((await get(`${path}?${query(name, names(1500))}`)).statusCode, 200, `${path} ${name}`)
})

test('a search text longer than any name is 400', async (t) => {
  const { get } = await build(t)
  for (const path of ['/', '/v1/services']) {
    assert.equal((await get(`${path}?q=${'a'.repeat(400)}`)).statusCode, 200, path)
    const { statusCode, body } = await get(`${path}?q=${'a'.repeat(401)}`)
    assert.equal(statusCode, 400, path)
    assert.match(JSON.parse(body).detail, /^q is longer than 400 characters/, path)
  }
})
