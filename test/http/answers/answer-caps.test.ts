import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answerKinds, capsFor, createAnswerCap, kindOf } from '../../../src/http/answers/answer-caps.ts'

const held = (bytes: number) => ({ key: {}, bytes })

test('a cap admits its number of answers, and another when one is over', () => {
  const cap = createAnswerCap({ answers: 2, bytes: 1000 })
  const release = cap.admit(held(1))
  assert.notEqual(cap.admit(held(1)), null)
  assert.equal(cap.admit(held(1)), null)
  release?.()
  assert.notEqual(cap.admit(held(1)), null)
  assert.deepEqual(cap.load(), { answers: 2, bytes: 2 })
})

test('long answers of all kinds together use at most an eighth of the connections', () => {
  const answersFor = (maxConnections: number) => Object.values(capsFor(maxConnections)).map(({ answers }) => answers)
  assert.deepEqual(
    [1, 48, 225, 1000, 2000, 4096].map((max) => answersFor(max)[0]),
    [1, 1, 5, 25, 50, 50],
  )
  for (const max of [100, 225, 1000, 4096]) {
    const answers = answersFor(max)
    assert.equal(answers.length, answerKinds.length)
    assert.ok(answers.reduce((sum, count) => sum + count) <= max / 8)
  }
})

test('answers that share memory count it once, until the last of them is over', () => {
  const cap = createAnswerCap({ answers: 10, bytes: 100 })
  const snapshot = held(60)
  const readers = Array.from({ length: 5 }, () => cap.admit(snapshot))
  assert.ok(readers.every((release) => release !== null))
  assert.deepEqual(cap.load(), { answers: 5, bytes: 60 })
  assert.equal(cap.admit(held(60)), null)
  for (const release of readers.slice(1)) release?.()
  assert.deepEqual(cap.load(), { answers: 1, bytes: 60 })
  readers[0]?.()
  assert.deepEqual(cap.load(), { answers: 0, bytes: 0 })
  assert.notEqual(cap.admit(held(60)), null)
})

test('an answer larger than the whole cap is admitted while none is under way', () => {
  const cap = createAnswerCap({ answers: 10, bytes: 100 })
  const release = cap.admit(held(5000))
  assert.notEqual(release, null)
  assert.equal(cap.admit(held(1)), null)
  release?.()
  assert.notEqual(cap.admit(held(1)), null)
})

test('sets, single services, lists, pages and scrapes are separate kinds', () => {
  const kinds = [
    '/health',
    '/health/:service',
    '/v1/sd',
    '/v1/services',
    '/',
    '/docs/json',
    '/openapi.json',
    '/metrics',
  ]
  assert.deepEqual(kinds.map(kindOf), ['health', 'service', 'list', 'list', 'page', 'page', 'page', 'metrics'])
})
