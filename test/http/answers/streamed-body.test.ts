import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { bodyOf } from '../../../src/http/answers/streamed-body.ts'
import { createTimeSlices } from '../../../src/runtime/time-slices.ts'
import { countingSlices } from '../../support/slices.ts'

const get = { method: 'GET' }
const chunk = 'a chunk of some length, which is not to be cut in the middle\n'.repeat(20)

test('a body about few targets is a text, so that its length is known', () => {
  assert.equal(bodyOf(get, ['one, ', 'two'], 2, createTimeSlices()), 'one, two')
})

for (const [what, chunks] of [
  ['a long body', Array<string>(1000).fill(chunk)],
  ['a body of many chunks, nearly all of them empty,', [chunk, ...Array<string>(3000).fill(''), chunk]],
] as const) {
  test(`${what} is built in several turns of the event loop`, async () => {
    const body = bodyOf(get, chunks, 1000, countingSlices())
    assert(body instanceof Readable)
    let turns = 0
    let isRead = false
    const read = text(body).finally(() => {
      isRead = true
    })
    for (; !isRead; turns++) await setImmediate()
    assert.equal(await read, chunks.join(''))
    assert.ok(turns >= 10, `${turns} turns`)
  })
}

test('a long body is built only as far as it is read, and not at all after the reader is gone', async () => {
  let made = 0
  let isLetGo = false
  function* chunks() {
    try {
      for (; made < 10_000; made++) yield chunk
    } finally {
      isLetGo = true
    }
  }
  const body = bodyOf(get, chunks(), 10_000, countingSlices())
  assert(body instanceof Readable)
  await body.iterator({ destroyOnReturn: false }).next()
  for (let turn = 0; turn < 20; turn++) await setImmediate()
  assert.ok(made > 0 && made < 500, `${made} were made`)
  body.destroy()
  while (!isLetGo) await setImmediate()
  assert.ok(made < 500)
})

test('HEAD builds no part of a long body', async () => {
  const chunks: Iterable<string> = { [Symbol.iterator]: () => assert.fail('a chunk was made') }
  const body = bodyOf({ method: 'HEAD' }, chunks, 1000, createTimeSlices())
  assert(body instanceof Readable)
  assert.equal(await text(body), '')
})
