import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readPreconditions, tagOf } from '../../../src/http/registrations/preconditions.ts'

const read = (ifMatch?: string, ifNoneMatch?: string) =>
  readPreconditions({
    ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }),
    ...(ifNoneMatch === undefined ? {} : { 'if-none-match': ifNoneMatch }),
  })

test('a request without either header has no precondition', () => {
  assert.deepEqual(read(), {})
})

test('the tag of a revision reads back as that revision', () => {
  assert.deepEqual(read(tagOf(1795359600000)), { ifMatch: [1795359600000] })
})

test('several tags are several revisions, also with empty elements and spaces in the list', () => {
  assert.deepEqual(read('"1", "2"'), { ifMatch: [1, 2] })
  assert.deepEqual(read(' , "1" ,, "2",'), { ifMatch: [1, 2] })
  assert.deepEqual(read('"1","2"'), { ifMatch: [1, 2] })
})

test('a star matches any revision in If-Match, and none in If-None-Match', () => {
  assert.deepEqual(read('*'), { ifMatch: '*' })
  assert.deepEqual(read(undefined, '*'), { ifNoneMatch: '*' })
  assert.deepEqual(read(' * ', ' * '), { ifMatch: '*', ifNoneMatch: '*' })
})

test('a weak tag, or one that no revision has, matches nothing', () => {
  for (const tag of ['W/"1"', '"abc"', '"01"', '"-1"', '"1.5"', '""', '"99999999999999999999"'])
    assert.deepEqual(read(tag), { ifMatch: [] }, tag)
  assert.deepEqual(read('W/"1", "2"'), { ifMatch: [2] })
})

test('a malformed list of tags is refused with a remedy', () => {
  for (const text of ['1', '"1', '1"', '"1" "2"', '*, "1"', 'w/"1"', '', '"1";'])
    assert.match(String(read(text)), /If-Match is not a list of entity tags: write the ETag/, text)
})

test('If-None-Match takes only a star', () => {
  for (const text of ['"1"', '', '**']) assert.match(String(read(undefined, text)), /write If-None-Match: \*/, text)
})
