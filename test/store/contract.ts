import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import type {
  Condition,
  Put,
  Retention,
  Store,
  Stored,
  StoredTransition,
  StoreSnapshot,
} from '../../src/store/store.ts'

/** The options of a store under test. */
export type StoreSettings = { readonly retention: Retention; readonly now: () => number }

/** Opens an empty store. If the store lasts, it can be closed and opened again, as the next process would do. It is closed after the test. */
export type OpenStore = (
  t: TestContext,
  settings: StoreSettings,
) => Promise<{ readonly store: Store; readonly reopen?: () => Promise<Store> }>

const epoch = Date.parse('2026-11-22T15:00:00.000Z')
const minuteMs = 60_000
const retention = { maxCount: 100, maxAgeMs: 60 * minuteMs }

/** Returns the value of a result. Fails with the store's own sentence. */
export function unwrap<Value>(stored: Stored<Value>): Value {
  if (!stored.ok) assert.fail(stored.failure)
  return stored.value
}

/** Returns the revision of a put. Fails if the put was not made. */
export function revisionOf(put: Stored<Put>): number {
  const made = unwrap(put)
  assert.ok(made.done, 'the condition did not hold')
  return made.registration.revision
}

/** Creates a transition of `pg` itself, from up to down. Its time follows from its id. */
export function sampleTransition(id: number, more: Partial<StoredTransition> = {}): StoredTransition {
  return {
    id,
    service: 'pg',
    target: null,
    from: 'up',
    to: 'down',
    at: Math.floor(id / 1000),
    reason: 'timeout',
    message: 'no answer',
    ...more,
  }
}

/** Returns the id of the first transition at a given time after the store was created. */
const idAfter = (ms: number) => (epoch + ms) * 1000 + 1
const idsOf = ({ transitions }: StoreSnapshot) => transitions.map(({ id }) => id)

/** Defines the tests that every store must pass. `skip` is the reason to skip all of them. */
export function testStore(name: string, open: OpenStore, skip: string | false = false): void {
  const verify = (what: string, work: (t: TestContext) => Promise<void>) => test(`${name}: ${what}`, { skip }, work)

  async function start(t: TestContext, more: Partial<StoreSettings> = {}) {
    const { store, reopen } = await open(t, { retention, now: () => epoch, ...more })
    return {
      store,
      /** Returns the snapshot that the next process would find. For a store that does not last, it is the snapshot of this process. */
      kept: async () => unwrap(await (reopen === undefined ? store : await reopen()).load()),
    }
  }

  /** Starts a store and a clock. Each reread continues as the next process. */
  async function startLasting(t: TestContext) {
    let now = epoch
    const { store: first, reopen } = await open(t, { retention, now: () => now })
    let store = first
    return {
      ask: () => store,
      async reread() {
        store = (await reopen?.()) ?? store
        return unwrap(await store.load())
      },
      pass: (ms: number) => {
        now += ms
      },
    }
  }

  verify('is empty at first, and complete since its creation', async (t) => {
    const { store } = await start(t)
    assert.deepEqual(unwrap(await store.load()), {
      registrations: [],
      drained: [],
      transitions: [],
      gaps: [],
      completeAfter: { id: epoch * 1000, at: epoch },
      aliveAt: null,
    })
  })

  verify('returns a registration character by character', async (t) => {
    const { store, kept } = await start(t)
    const definitions = ['{}', '', '{"message":"ünï\u0000cödé \u{1f6aa} \' \\" ; --"}', 'x'.repeat(1_000_000)]
    for (const [index, definition] of definitions.entries())
      assert.deepEqual(unwrap(await store.put(`s${index}`, definition, {})), {
        done: true,
        registration: { name: `s${index}`, definition, revision: epoch + index },
        change: 'created',
      })
    assert.deepEqual(
      (await kept()).registrations.toSorted((a, b) => a.revision - b.revision),
      definitions.map((definition, index) => ({ name: `s${index}`, definition, revision: epoch + index })),
    )
  })

  verify('replaces a definition, and is not changed by the same definition again', async (t) => {
    const { store, kept } = await start(t)
    const first = revisionOf(await store.put('pg', '{"a":1}', {}))
    const second = unwrap(await store.put('pg', '{"a":2}', {}))
    const registration = { name: 'pg', definition: '{"a":2}', revision: first + 1 }
    assert.deepEqual(second, { done: true, registration, change: 'replaced' })
    const again = unwrap(await store.put('pg', '{"a":2}', { ifMatch: [first + 1] }))
    assert.deepEqual(again, { done: true, registration, change: 'none' })
    assert.deepEqual((await kept()).registrations, [registration])
  })

  verify('gives revisions that grow, regardless of the wall clock and of deregistrations', async (t) => {
    let now = epoch
    const { store, reopen } = await open(t, { retention, now: () => now })
    const put = async (store: Store, definition: string) => revisionOf(await store.put('pg', definition, {}))
    assert.equal(await put(store, '1'), epoch)
    now += 5000.5
    assert.equal(await put(store, '2'), epoch + 5000)
    now = epoch - 5000
    assert.equal(await put(store, '3'), epoch + 5001)
    assert.deepEqual(unwrap(await store.remove('pg', {})), { done: true })
    // A store may give the removal a revision as well.
    const last = await put((await reopen?.()) ?? store, '4')
    assert.ok(last === epoch + 5002 || last === epoch + 5003, `${last}`)
  })

  verify('makes a change only under its condition, and returns the revision that it found', async (t) => {
    const { store } = await start(t)
    const revision = revisionOf(await store.put('pg', '1', {}))
    const cases: [condition: Condition, ofOne: boolean, ofNone: boolean][] = [
      [{}, true, true],
      [{ ifNoneMatch: '*' }, false, true],
      [{ ifMatch: '*' }, true, false],
      [{ ifMatch: [] }, false, false],
      [{ ifMatch: [revision - 1] }, false, false],
      [{ ifMatch: [revision - 1, revision] }, true, false],
      [{ ifMatch: '*', ifNoneMatch: '*' }, false, false],
    ]
    for (const [condition, ofOne, ofNone] of cases) {
      const why = JSON.stringify(condition)
      const one = unwrap(await store.put('pg', '1', condition))
      assert.equal(one.done, ofOne, why)
      if (!one.done) {
        assert.equal(one.revision, revision, why)
        assert.deepEqual(unwrap(await store.remove('pg', condition)), { done: false, revision })
      }
      const none = unwrap(await store.put('none', '1', condition))
      assert.equal(none.done, ofNone, why)
      if (!none.done) assert.equal(none.revision, null, why)
      unwrap(await store.remove('none', {}))
      assert.deepEqual(unwrap(await store.remove('none', condition)), { done: false, revision: null }, why)
    }
    assert.deepEqual(unwrap(await store.remove('pg', { ifMatch: [revision] })), { done: true })
  })

  verify('runs operations that come together in their order', async (t) => {
    const { store } = await start(t)
    const puts = await Promise.all(Array.from({ length: 50 }, (_, i) => store.put('pg', `${i}`, { ifNoneMatch: '*' })))
    assert.deepEqual(
      puts.map((put) => unwrap(put).done),
      puts.map((_, index) => index === 0),
    )
    const [removed, put, again] = await Promise.all([
      store.remove('pg', { ifMatch: '*' }),
      store.put('pg', 'new', { ifNoneMatch: '*' }),
      store.remove('pg', { ifMatch: '*' }),
    ])
    assert.deepEqual(
      [removed, put, again].map((stored) => unwrap<{ done: boolean }>(stored).done),
      [true, true, true],
    )
  })

  verify('stores the drain of a service, registered or not, until the service is deregistered', async (t) => {
    const { store, kept } = await start(t)
    unwrap(await store.put('pg', '{}', {}))
    for (const service of ['pg', 'pg', 'from-file', 'undrained', 'kept']) unwrap(await store.setDrained(service, true))
    for (const service of ['undrained', 'undrained', 'never']) unwrap(await store.setDrained(service, false))
    unwrap(await store.put('kept', '{}', {}))
    unwrap(await store.remove('kept', { ifMatch: [1] }))
    unwrap(await store.remove('from-file', {}))
    unwrap(await store.remove('pg', {}))
    assert.deepEqual((await kept()).drained.toSorted(), ['from-file', 'kept'])
  })

  verify('stores that a registration is expired until it is registered again', async (t) => {
    const { ask, reread, pass } = await startLasting(t)
    const revision = revisionOf(await ask().put('pg', '{}', {}, 1000))
    revisionOf(await ask().put('mq', '{}', {}, 1000))
    assert.deepEqual(unwrap(await ask().expire('pg', revision - 1, 'expire')), { done: false, revision })
    assert.deepEqual(unwrap(await ask().expire('none', revision, 'expire')), { done: false, revision: null })
    pass(1000)
    assert.deepEqual(unwrap(await ask().expire('pg', revision, 'expire')), { done: true })
    const expiredOf = ({ registrations }: StoreSnapshot) =>
      registrations.flatMap(({ name, expiredAt }) => (expiredAt === undefined ? [] : `${name} ${expiredAt - epoch}`))
    assert.deepEqual(expiredOf(await reread()), ['pg 1000'])
    pass(500)
    assert.deepEqual(unwrap(await ask().put('pg', '{}', {}, 1000)), {
      done: true,
      registration: { name: 'pg', definition: '{}', revision },
      change: 'none',
    })
    assert.deepEqual(expiredOf(await reread()), [])
  })

  verify('treats an expired registration as absent for If-None-Match', async (t) => {
    const { ask, reread, pass } = await startLasting(t)
    const oldest = revisionOf(await ask().put('pg', '{}', {}, 1000))
    const absent = { ifNoneMatch: '*' } as const
    assert.deepEqual(unwrap(await ask().put('pg', '{}', absent, 1000)), { done: false, revision: oldest })
    pass(1000)
    unwrap(await ask().expire('pg', oldest, 'expire'))
    const put = unwrap(await ask().put('pg', '{}', absent, 1000))
    assert.ok(put.done && put.change === 'created')
    assert.ok(put.registration.revision > oldest)
    assert.deepEqual((await reread()).registrations, [put.registration])
    const { revision } = put.registration
    assert.deepEqual(unwrap(await ask().put('pg', '{}', absent, 1000)), { done: false, revision })
    assert.deepEqual(unwrap(await ask().expire('pg', oldest, 'deregister')), { done: false, revision })
  })

  verify('stores drains, the oldest first, also after an expired registration is deleted', async (t) => {
    const { ask, reread, pass } = await startLasting(t)
    const revision = revisionOf(await ask().put('pg', '{}', {}, 1000))
    for (const name of ['z', 'pg', 'a', 'z']) {
      unwrap(await ask().setDrained(name, true))
      pass(1000)
    }
    unwrap(await ask().expire('pg', revision, 'expire'))
    assert.deepEqual((await reread()).drained, ['z', 'pg', 'a'])
    assert.deepEqual(unwrap(await ask().expire('pg', revision, 'deregister')), { done: true })
    const found = await reread()
    assert.deepEqual([found.registrations, found.drained], [[], ['z', 'pg', 'a']])
    unwrap(await ask().put('pg', '{}', {}))
    unwrap(await ask().remove('pg', {}))
    assert.deepEqual((await reread()).drained, ['z', 'a'])
  })

  verify('returns transitions unchanged, the oldest first, each once', async (t) => {
    const { store, kept } = await start(t)
    const transitions = [
      sampleTransition(idAfter(1)),
      sampleTransition(idAfter(1) + 1, { target: '[::1]:5432', from: 'unknown', to: 'up', reason: 'connected' }),
      sampleTransition(idAfter(2), { reason: null, message: 'no check came to an end for 32 s' }),
    ]
    unwrap(await store.append(transitions.slice(0, 2), false))
    unwrap(await store.append([], true))
    unwrap(await store.append(transitions.slice(1), false))
    unwrap(await store.append(transitions, false))
    const found = await kept()
    assert.deepEqual(found.transitions, transitions)
    assert.deepEqual(found.completeAfter, { id: epoch * 1000, at: epoch })
  })

  verify('deletes the oldest of too many transitions, and is complete after them', async (t) => {
    const { store, kept } = await start(t)
    const all = Array.from({ length: 355 }, (_, i) => sampleTransition(idAfter(i), { target: 'pg:5432' }))
    for (let i = 0; i < all.length; i += 5) unwrap(await store.append(all.slice(i, i + 5), false))
    const { transitions, completeAfter } = await kept()
    assert.ok(transitions.length >= retention.maxCount && transitions.length <= retention.maxCount * 1.1)
    assert.deepEqual(transitions, all.slice(-transitions.length))
    const { id, at } = all.at(-1 - transitions.length) ?? assert.fail('nothing was forgotten')
    assert.deepEqual(completeAfter, { id, at })
  })

  verify('deletes transitions that are too old at a heartbeat, and is complete after them', async (t) => {
    const { store, kept } = await start(t)
    const ids = [0, 10, 20, 30].map((minutes) => idAfter(minutes * minuteMs))
    unwrap(
      await store.append(
        ids.map((id) => sampleTransition(id, { target: 'pg:5432' })),
        false,
      ),
    )
    unwrap(await store.heartbeat(epoch + 60 * minuteMs))
    assert.deepEqual(idsOf(unwrap(await store.load())), ids)
    unwrap(await store.heartbeat(epoch + 75 * minuteMs))
    unwrap(await store.heartbeat(epoch + 75 * minuteMs))
    const found = await kept()
    assert.deepEqual(idsOf(found), ids.slice(2))
    assert.deepEqual(found.completeAfter, { id: ids[1], at: epoch + 10 * minuteMs })
  })

  verify('stores the last transition of each service itself until the next one, however old', async (t) => {
    const { store, kept } = await start(t)
    const old = [
      sampleTransition(idAfter(0)),
      sampleTransition(idAfter(1), { service: 'mq', to: 'degraded' }),
      sampleTransition(idAfter(2), { from: 'down', to: 'up' }),
      sampleTransition(idAfter(3), { target: 'pg:5432' }),
      sampleTransition(idAfter(4), { service: 'gone', to: 'unknown', message: 'deregistered' }),
    ]
    unwrap(await store.append(old, false))
    unwrap(await store.heartbeat(epoch + 90 * minuteMs))
    const found = await kept()
    assert.deepEqual(idsOf(found), [idAfter(1), idAfter(2)])
    assert.deepEqual(found.completeAfter, { id: idAfter(4), at: epoch + 4 })
  })

  verify('deletes such a transition with the next deletion once there is a newer one', async (t) => {
    const { store, kept } = await start(t)
    unwrap(await store.append([sampleTransition(idAfter(0)), sampleTransition(idAfter(1), { service: 'mq' })], false))
    unwrap(await store.heartbeat(epoch + 90 * minuteMs))
    unwrap(await store.append([sampleTransition(idAfter(91 * minuteMs))], false))
    unwrap(await store.heartbeat(epoch + 190 * minuteMs))
    assert.deepEqual(idsOf(await kept()), [idAfter(1), idAfter(91 * minuteMs)])
  })

  verify('is complete only from the first transition after lost ones', async (t) => {
    const { store, kept } = await start(t)
    unwrap(await store.append([sampleTransition(idAfter(1))], false))
    unwrap(await store.append([sampleTransition(idAfter(7)), sampleTransition(idAfter(8))], true))
    unwrap(await store.append([sampleTransition(idAfter(9))], false))
    const found = await kept()
    assert.equal(found.transitions.length, 4)
    assert.deepEqual(found.completeAfter, { id: idAfter(7) - 1, at: epoch + 7 })
  })

  verify('stores gaps, the oldest first, each once, until they are too old', async (t) => {
    const { store, kept } = await start(t)
    const [early, late] = [
      { from: epoch, to: epoch + minuteMs },
      { from: epoch + 2.5 * minuteMs, to: epoch + 3 * minuteMs },
    ] as const
    for (const gap of [late, early, { ...late, to: late.to + 1 }, late]) unwrap(await store.addGap(gap))
    unwrap(await store.heartbeat(epoch + 61 * minuteMs))
    assert.deepEqual(unwrap(await store.load()).gaps, [early, late])
    unwrap(await store.heartbeat(epoch + 61 * minuteMs + 1))
    const found = await kept()
    assert.deepEqual(found.gaps, [late])
    assert.deepEqual(found.completeAfter, { id: epoch * 1000, at: early.to })
  })

  verify('has the last heartbeat of an earlier process, if it outlasts a process', async (t) => {
    const { store, reopen } = await open(t, { retention, now: () => epoch })
    unwrap(await store.heartbeat(epoch + 5000.25))
    unwrap(await store.heartbeat(epoch + 10_000.5))
    const { aliveAt } = unwrap(await ((await reopen?.()) ?? store).load())
    assert.equal(aliveAt, reopen === undefined ? null : epoch + 10_000.5)
  })

  verify('behaves like a plain map for any operations in any order', async (t) => {
    await fc.assert(
      fc.asyncProperty(fc.array(wish, { maxLength: 60 }), (wishes) => compare(t, wishes)),
      { numRuns: 30 },
    )
  })

  async function compare(t: TestContext, wishes: readonly Wish[]): Promise<void> {
    const { store: first, reopen } = await open(t, { retention, now: () => epoch })
    let store = first
    const registrations = new Map<string, { definition: string; revision: number }>()
    const drained = new Set<string>()
    let newest = 0
    for (const wish of wishes) {
      const old = registrations.get(wish.name)
      const condition = conditionOf(wish.condition, old?.revision)
      const holds = expected(wish.condition, old !== undefined)
      if (wish.kind === 'reopen') store = (await reopen?.()) ?? store
      else if (wish.kind === 'drain' || wish.kind === 'undrain') {
        unwrap(await store.setDrained(wish.name, wish.kind === 'drain'))
        drained[wish.kind === 'drain' ? 'add' : 'delete'](wish.name)
      } else if (wish.kind === 'remove') {
        const removed = unwrap(await store.remove(wish.name, condition))
        assert.equal(removed.done, holds && old !== undefined)
        if (!removed.done) assert.equal(removed.revision, old?.revision ?? null)
        else {
          registrations.delete(wish.name)
          drained.delete(wish.name)
        }
      } else {
        const put = unwrap(await store.put(wish.name, wish.definition, condition))
        assert.equal(put.done, holds)
        if (!put.done) assert.equal(put.revision, old?.revision ?? null)
        else {
          const { definition, revision } = put.registration
          const change = old === undefined ? 'created' : old.definition === definition ? 'none' : 'replaced'
          assert.deepEqual([definition, put.change], [wish.definition, change])
          if (old?.definition === definition) assert.equal(revision, old.revision)
          else assert.ok(revision > newest, 'a revision did not grow')
          newest = Math.max(newest, revision)
          registrations.set(wish.name, { definition, revision })
        }
      }
    }
    const found = unwrap(await store.load())
    assert.deepEqual(new Map(found.registrations.map(({ name, ...rest }) => [name, rest])), registrations)
    assert.deepEqual(new Set(found.drained), drained)
    await store.close()
  }
}

/** A condition that holds or not, as chosen once the revision is known. */
const conditions = ['none', 'any', 'new', 'this', 'other'] as const
type Wanted = (typeof conditions)[number]

/** Opening again is slow, so it is rare. */
const kinds = ['put', 'put', 'put', 'put', 'put', 'remove', 'remove', 'drain', 'undrain', 'reopen'] as const

const wish = fc.record({
  kind: fc.constantFrom(...kinds),
  name: fc.constantFrom('a', 'b', 'c'),
  definition: fc.constantFrom('1', '2'),
  condition: fc.constantFrom(...conditions),
})
type Wish = typeof wish extends fc.Arbitrary<infer Value> ? Value : never

function conditionOf(wanted: Wanted, revision = 1): Condition {
  switch (wanted) {
    case 'none':
      return {}
    case 'any':
      return { ifMatch: '*' }
    case 'new':
      return { ifNoneMatch: '*' }
    case 'this':
      return { ifMatch: [revision - 1, revision] }
    case 'other':
      return { ifMatch: [revision + 1] }
  }
}

function expected(wanted: Wanted, exists: boolean): boolean {
  if (wanted === 'none') return true
  return wanted === 'new' ? !exists : wanted !== 'other' && exists
}
