import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLookUpLanes, type Expectation, type LookUp } from '../../../src/prober/lookup/lookup-lanes.ts'

/** Builds the queue for a number of threads, with the running look-ups as a list of hosts. */
function lanesOf(threads: number) {
  const lanes = createLookUpLanes<LookUp>(threads)
  const running = new Map<string, LookUp>()
  return {
    lanes,
    /** Adds look-ups to the queue. */
    add(expectation: Expectation, ...hosts: string[]): LookUp[] {
      const added = hosts.map((host) => ({ host, expectation }))
      for (const lookUp of added) lanes.add(lookUp)
      return added
    },
    /** Starts every look-up that may run now and returns their hosts. */
    start(): string[] {
      const hosts: string[] = []
      for (let lookUp = lanes.next(); lookUp !== undefined; lookUp = lanes.next()) {
        running.set(lookUp.host, lookUp)
        hosts.push(lookUp.host)
      }
      return hosts
    },
    end(host: string, isUnresponsive = true): void {
      const lookUp = running.get(host)
      assert.ok(lookUp, `${host} runs`)
      running.delete(host)
      lanes.end(lookUp, isUnresponsive)
    },
  }
}

/** Returns names of one domain. */
const names = (count: number, domain: string) => Array.from({ length: count }, (_, n) => `n${n}.${domain}`)

test('look-ups of one lane and one domain run in order', () => {
  const { add, start, end } = lanesOf(4)
  add('responsive', 'a.x', 'b.x', 'c.x')
  assert.deepEqual(start(), ['a.x', 'b.x'])
  end('b.x')
  assert.deepEqual(start(), ['c.x'])
})

for (const expectation of ['responsive', 'new'] as const) {
  test(`many ${expectation} names of one domain leave half of the threads to other domains`, () => {
    const { add, start } = lanesOf(16)
    add(expectation, ...names(300, 'dead.test'))
    assert.equal(start().length, 8)
    add(expectation, 'a.live.test', 'b.live.test')
    assert.deepEqual(start(), ['a.live.test', 'b.live.test'])
  })
}

test('two domains that hang leave a third of the threads, and another domain gets the last thread', () => {
  const { add, start } = lanesOf(16)
  add('responsive', ...names(50, 'one'), ...names(50, 'two'))
  assert.equal(start().length, 11)
  add('responsive', ...names(16, 'three').map((name, n) => `${name}-${n}`))
  assert.equal(start().length, 5)
})

test('unresponsive names get at most half of the threads, and three quarters together with new names', () => {
  const { add, start } = lanesOf(8)
  const apart = (prefix: string) => Array.from({ length: 20 }, (_, n) => `x.${prefix}${n}`)
  add('unresponsive', ...apart('dead'))
  assert.equal(start().length, 4)
  add('new', ...apart('new'))
  assert.deepEqual(start(), ['x.new0', 'x.new1'])
  add('responsive', ...apart('live'))
  assert.deepEqual(start(), ['x.live0', 'x.live1'])
})

test('domains take turns, so that one name does not wait behind many names of another domain', () => {
  for (const expectation of ['responsive', 'new', 'unresponsive'] as const) {
    const { add, start, end } = lanesOf(4)
    add(expectation, ...names(300, 'dead.test'))
    const [first = '', second = ''] = start()
    add(expectation, 'a.live.test')
    const order = start()
    end(first)
    order.push(...start())
    end(second)
    order.push(...start())
    assert.ok(order.includes('a.live.test'), `${expectation}: ${order}`)
  }
})

test('lanes take turns, so that no lane waits until the others are empty', () => {
  const { add, start, end } = lanesOf(1)
  const lanes = ['responsive', 'new', 'unresponsive'] as const
  for (const lane of lanes) add(lane, ...names(3, lane))
  const order: string[] = []
  for (let [host] = start(); host !== undefined; [host] = start()) {
    order.push(host.split('.')[1] ?? '')
    end(host)
  }
  assert.deepEqual(order, [...lanes, ...lanes, ...lanes])
})

test('new names of an answering domain go first and may use a few more threads', () => {
  const { lanes, add, start, end } = lanesOf(8)
  const dead = Array.from({ length: 20 }, (_, n) => `x.dead${n}`)
  add('new', 'a.live', ...dead, 'b.live', 'c.live')
  assert.deepEqual(start(), ['a.live', ...dead.slice(0, 5)])
  end('a.live', false)
  assert.deepEqual(start(), ['b.live', 'c.live'])
  const [late] = add('new', 'd.live', 'e.live')
  assert.ok(late && lanes.remove(late))
  assert.deepEqual(start(), [])
  end('b.live', false)
  assert.deepEqual(start(), ['e.live'])
})

test('names of a domain that stopped answering wait with the others', () => {
  const { add, start, end } = lanesOf(1)
  add('new', 'a.live')
  start()
  end('a.live', false)
  add('new', 'b.live')
  start()
  end('b.live', true)
  add('new', 'x.dead', 'c.live')
  assert.deepEqual(start(), ['x.dead'])
})

test('a waiting look-up can be removed, and a running one cannot', () => {
  const { lanes, add, start } = lanesOf(1)
  const [first, second] = add('new', 'a.x', 'b.x')
  assert.ok(first && second)
  assert.deepEqual(start(), ['a.x'])
  assert.deepEqual([lanes.remove(first), lanes.remove(second), lanes.remove(second)], [false, true, false])
  lanes.end(first, false)
  assert.deepEqual(start(), [])
})

test('names of a single label are one domain', () => {
  const { add, start } = lanesOf(4)
  add('new', 'db', 'mq', 'web')
  assert.deepEqual(start(), ['db', 'mq'])
})

test('with one thread every look-up runs in the end', () => {
  for (const expectation of ['responsive', 'new', 'unresponsive'] as const) {
    const { add, start, end } = lanesOf(1)
    add(expectation, 'a.x', 'b.x')
    assert.deepEqual(start(), ['a.x'])
    end('a.x')
    assert.deepEqual(start(), ['b.x'])
  }
})

test('a look-up that finds no free thread does not walk the domains that wait', (t) => {
  const { add, start } = lanesOf(4)
  const apart = Array.from({ length: 1000 }, (_, n) => `x.apart${n}`)
  add('responsive', ...apart)
  assert.equal(start().length, 4)
  const reads = t.mock.method(Map.prototype, 'get')
  for (const host of apart) {
    add('responsive', `y${host}`)
    assert.deepEqual(start(), [])
  }
  assert.ok(reads.mock.callCount() < 10 * apart.length, `${reads.mock.callCount()} reads`)
})

test('an answer moves each waiting look-up of its domain once', () => {
  const { lanes, add, start, end } = lanesOf(4)
  const [first] = add('new', ...names(4, 'one.test'))
  assert.deepEqual(start(), ['n0.one.test', 'n1.one.test'])
  end('n0.one.test', false)
  end('n1.one.test', true)
  const [late] = add('new', 'late.one.test')
  assert.deepEqual(start(), ['n2.one.test', 'n3.one.test'])
  end('n2.one.test', false)
  assert.deepEqual(start(), ['late.one.test'])
  assert.ok(first !== undefined && late !== undefined)
  assert.deepEqual([lanes.remove(first), lanes.remove(late)], [false, false])
})
