import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createServiceRenderer } from '../../src/http/rendered.ts'
import { watch } from '../monitor/fakes.ts'
import { sampleService } from '../samples.ts'

/** A service that is checked so seldom that nothing but a test changes how it reads. */
function createSample() {
  const { clock, service, target, checkOnce } = watch([sampleService('pg', ['a:1'], { interval: 3_600_000 })])
  const render = createServiceRenderer(clock)
  return {
    clock,
    read: (details = true) => render(service('pg'), details),
    check: () => checkOnce(target('pg', 'a:1'), 'connected'),
  }
}

test('a report is rendered once for as long as it reads the same, with details and without', async () => {
  const { read, check } = createSample()
  await check()
  read()
  const [one, bare] = [read(), read(false)]
  assert.equal(read(), one)
  assert.equal(read(false), bare)
  assert.notEqual(one.json, bare.json)
  await check()
  assert.notEqual(read(), one)
})

test('of a service that is asked for but once nothing is kept', async () => {
  const { clock, read, check } = createSample()
  await check()
  const one = read()
  clock.advance(10_000)
  const another = read()
  assert.notEqual(another, one)
  const third = read()
  assert.notEqual(third, another)
  assert.equal(read(), third)
})

test('what is rendered is kept for ten seconds at most, however seldom it changes', async () => {
  const { clock, read, check } = createSample()
  await check()
  read()
  const one = read()
  clock.advance(9_999)
  assert.equal(read(), one)
  clock.advance(1)
  const another = read()
  assert.notEqual(another, one)
  assert.equal(another.json, one.json)
})
