/** Tests names and query values with invisible characters. No answer for people contains one unescaped. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hidesCharacters } from '../../src/domain/values/quote.ts'
import { build, nobody } from '../support/app.ts'
import { sampleService } from '../support/samples.ts'

/** The invisible characters that a name may contain, and those that a query may. */
const name = 'pay\u202ements\u200b'
const value = 'x\nup        pg  1/1 up\u001b[2J\u009b31m\u202e\u200b'
const lines = (text: string) => text.split('\n').filter((line) => line !== '')

test('health as text has one line for each service and warning, for every name', async (t) => {
  const { get } = await build(t, [sampleService(name, [nobody]), sampleService('pg', [nobody])])
  const text = { accept: 'text/plain' }
  const { body } = await get(`/health?exclude=${encodeURIComponent(value)}`, text)
  assert.equal(lines(body).length, 4, body)
  assert.ok(
    lines(body).every((line) => !hidesCharacters(line)),
    body,
  )
  assert.match(
    body,
    /^warning: exclude="x\\nup {8}pg {2}1\/1 up\\u001b\[2J\\u009b31m\\u202e\\u200b": there is no such service$/m,
  )
  assert.match(body, /^unknown {3}"pay\\u202ements\\u200b" {2}0\/1 up/m)
  const one = await get(`/health/${encodeURIComponent(name)}`, text)
  assert.equal(hidesCharacters(one.body.trimEnd()), false, one.body)
})

test('errors have the same content as JSON, and contain no invisible character unescaped', async (t) => {
  const { get } = await build(t, [sampleService(name, [nobody], { groups: [name] })])
  const query = encodeURIComponent(value)
  for (const [url, detail] of [
    [`/health/${query}`, /^No service is named "x\\nup/],
    [`/health?group=${query}`, /^No service is in a group named "x\\nup.*the groups are "pay\\u202ements\\u200b"\.$/],
    [`/health?verbose=${query}`, /^verbose="x\\nup/],
    [`/health?degraded=${query}`, /^degraded="x\\nup/],
    [`/health?${query}=1`, /^unknown query parameter "x\\nup/],
    [`/v1/services/pg?${query}=1`, /^unknown query parameter "x\\nup/],
    [`/v1/services?status=${query}`, /^"x\\nup/],
    [`/v1/services?limit=${query}`, /^"x\\nup/],
    [`/v1/transitions?from=${query}`, /^from="x\\nup/],
  ] as const) {
    const { statusCode, body } = await get(url)
    assert.ok(statusCode >= 400, url)
    assert.equal(hidesCharacters(body), false, body)
    assert.match(JSON.parse(body).detail, detail, url)
  }
})
