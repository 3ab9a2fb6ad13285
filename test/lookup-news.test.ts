import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createLookUpNews } from '../src/lookup-news.ts'

/** A log of what is told, and a time that the test moves on. */
function start(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let now = 0
  t.mock.method(performance, 'now', () => now)
  const lines: { level: string; fields: Record<string, unknown>; message: string }[] = []
  const at =
    (level: string) =>
    (fields: object, message: string): void =>
      void lines.push({ level, fields: { ...fields }, message })
  const note = createLookUpNews({ info: at('info'), warn: at('warn') } as never)
  return {
    lines,
    change: (name: string, failure: string | null, service = name) =>
      note({ service, target: `${name}.test:1`, failure }),
    advance(ms: number) {
      now += ms
      t.mock.timers.tick(ms)
    },
    /** What was logged since the last time. */
    told: () => lines.splice(0).map(({ level, message }) => `${level} ${message}`),
  }
}

const names = (count: number) => Array.from({ length: count }, (_, i) => `d${i + 1}`)

test('one name that fails is named after a second, and when it works again', (t) => {
  const { change, advance, told } = start(t)
  change('d1', 'EAI_AGAIN')
  assert.deepEqual(told(), [])
  advance(1000)
  assert.deepEqual(told(), [
    'warn the addresses of d1.test:1 cannot be looked up (EAI_AGAIN): those known last are checked for lookupHold',
  ])
  change('d1', null)
  advance(1000)
  assert.deepEqual(told(), ['info the addresses of d1.test:1 can be looked up again'])
})

test('many names that fail together are one line with their number, and one when they work again', (t) => {
  const { lines, change, advance, told } = start(t)
  for (const name of names(300)) change(name, 'timeout')
  advance(1000)
  assert.deepEqual(lines[0]?.fields, { names: 300, services: 300, failures: 'timeout' })
  assert.deepEqual(told(), [
    'warn look-ups fail: no answer for 300 names of 300 services, such as d1.test (timeout). See whether the resolver answers; addresses known last are checked for lookupHold',
  ])
  for (const name of names(300)) change(name, null)
  advance(1000)
  assert.deepEqual(told(), ['info look-ups work again: for 300 names of 300 services, such as d1.test'])
})

test('names that fail one after the other, as each is looked up in its turn, are one line as well', (t) => {
  const { change, advance, told } = start(t)
  // In ten seconds each is looked up once.
  for (const name of names(300)) {
    change(name, name === 'd2' ? 'EAI_AGAIN' : 'timeout')
    advance(10_000 / 300)
  }
  assert.deepEqual(told(), [])
  advance(1000)
  assert.match(
    told().join(),
    /^warn look-ups fail: no answer for 300 names of 300 services, .* \(timeout, EAI_AGAIN\)\./,
  )
})

test('what goes on changing is told after 15 seconds all the same', (t) => {
  const { change, advance, told } = start(t)
  for (let second = 0; second < 31; second++) {
    change(`d${second}`, 'timeout')
    advance(500)
  }
  const [first = '', ...more] = told()
  assert.match(first, /^warn look-ups fail: no answer for 30 names of 30 services/)
  assert.deepEqual(more, [])
})

test('a name that many services share is one name, and one line', (t) => {
  const { change, advance, told } = start(t)
  for (const service of names(4)) change('shared', 'timeout', service)
  advance(1000)
  assert.equal(told().length, 4)
  for (const service of names(5)) change('shared', 'timeout', `other-${service}`)
  advance(1000)
  assert.match(told().join(), /^warn look-ups fail: no answer for 1 name of 5 services, such as shared\.test /)
  for (const name of names(5)) change(name, 'timeout', 'one')
  advance(1000)
  assert.match(told().join(), /^warn look-ups fail: no answer for 5 names of 1 service, such as d1\.test /)
})

test('a name that fails and works again meanwhile is no news', (t) => {
  const { change, advance, told } = start(t)
  change('d1', 'timeout')
  advance(500)
  change('d1', null)
  advance(5000)
  assert.deepEqual(told(), [])
})
