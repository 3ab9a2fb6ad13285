import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createLookUpNews } from '../../../src/cli/log/lookup-log.ts'

/** Creates a log that records its lines, and a clock that the test advances. */
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
    /** Returns the lines that were logged since the last call. */
    told: () => lines.splice(0).map(({ level, message }) => `${level} ${message}`),
  }
}

const names = (count: number) => Array.from({ length: count }, (_, i) => `d${i + 1}`)

test('a single name that fails, or works again, is logged after one second', (t) => {
  const { change, advance, told } = start(t)
  change('d1', 'EAI_AGAIN')
  assert.deepEqual(told(), [])
  advance(1000)
  assert.deepEqual(told(), [
    'warn the addresses of d1.test:1 cannot be looked up (EAI_AGAIN): its last known addresses are checked for lookupHold',
  ])
  change('d1', null)
  advance(1000)
  assert.deepEqual(told(), ['info the addresses of d1.test:1 can be looked up again'])
})

test('many names that fail together share one line with their number, and another when they work again', (t) => {
  const { lines, change, advance, told } = start(t)
  for (const name of names(300)) change(name, 'timeout')
  advance(1000)
  assert.deepEqual(lines[0]?.fields, { names: 300, services: 300, failures: 'timeout' })
  assert.deepEqual(told(), [
    'warn look-ups fail: no answer for 300 names of 300 services, such as d1.test (timeout). See whether the resolver answers; the last known addresses are checked for lookupHold',
  ])
  for (const name of names(300)) change(name, null)
  advance(1000)
  assert.deepEqual(told(), ['info look-ups work again: for 300 names of 300 services, such as d1.test'])
})

test('names that fail one after the other at their own times share one line as well', (t) => {
  const { change, advance, told } = start(t)
  // In ten seconds each name is looked up once.
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

test('changes that do not stop are logged after 15 seconds', (t) => {
  const { change, advance, told } = start(t)
  for (let second = 0; second < 31; second++) {
    change(`d${second}`, 'timeout')
    advance(500)
  }
  const [first = '', ...more] = told()
  assert.match(first, /^warn look-ups fail: no answer for 30 names of 30 services/)
  assert.deepEqual(more, [])
})

test('a name that many services share counts as one name in one line', (t) => {
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

test('a name that fails and works again before the line is not logged', (t) => {
  const { change, advance, told } = start(t)
  change('d1', 'timeout')
  advance(500)
  change('d1', null)
  advance(5000)
  assert.deepEqual(told(), [])
})
