import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { Answer, Reply } from '../../../src/redis/connection.ts'
import { createFeed, type FeedEntry, firstOf } from '../../../src/replicas/replication/change-feed.ts'

/** An entry in the form of a reply of Redis. */
const entry = (number: number, before: number, more: readonly string[] = []): [string, string[]] => [
  `${number}-0`,
  ['kind', 'members', 'before', `${before}`, ...more],
]
const told = (...entries: [string, string[]][]): Answer => ({ ok: true, value: [['stream', entries]] })
const nothing: Answer = { ok: true, value: null }

/** A feed whose replies come from the test. */
function start(from: number) {
  const asked: (readonly string[])[] = []
  const answers: ((answer: Answer) => void)[] = []
  const feed = createFeed(
    (command) => {
      asked.push(command)
      return new Promise((resolve) => answers.push(resolve))
    },
    'stream',
    from,
  )
  const taken: FeedEntry[] = []
  const over = feed.read((one) => taken.push(one))
  async function answer(given: Answer): Promise<void> {
    const first = answers.shift() ?? assert.fail('nothing was asked')
    first(given)
    await setImmediate()
  }
  return { feed, asked, taken, over, answer }
}

test('reads from its start, entry by entry', async () => {
  const { feed, asked, taken, answer } = start(10)
  await answer(nothing)
  await answer(told(entry(12, 10, ['name', 'ü']), entry(15, 12)))
  assert.deepEqual(
    taken.map(({ number, fields }) => [number, fields.get('kind'), fields.get('name')]),
    [
      [12, 'members', 'ü'],
      [15, 'members', undefined],
    ],
  )
  assert.equal(feed.position(), 15)
  assert.deepEqual(
    asked.map((command) => command.at(-1)),
    ['10-0', '10-0', '15-0'],
  )
})

test('an entry that does not follow the last one shows that the feed missed entries', async () => {
  const { over, taken, answer } = start(10)
  await answer(told(entry(12, 10), entry(15, 13)))
  assert.equal(await over, 'this replica missed changes of other replicas')
  assert.equal(taken.length, 1)
})

test('a feed that starts with an empty stream accepts the first entry, whichever entry it follows', async () => {
  const { taken, answer } = start(0)
  await answer(told(entry(12, 10)))
  assert.equal(taken.length, 1)
})

test('ends when Redis does not answer, or when it is closed', async () => {
  const failed = start(1)
  await failed.answer({ ok: false, failure: 'gone', isUncertain: true })
  assert.equal(await failed.over, 'gone')
  const closed = start(1)
  closed.feed.close()
  await closed.answer(told(entry(2, 1)))
  await closed.over
  assert.deepEqual(closed.taken, [])
})

test('a feed starts after the newest entry, or after 0 if the stream is empty', () => {
  assert.equal(firstOf([['1795359600000-0', ['kind', 'members']]] as Reply), 1_795_359_600_000)
  assert.equal(firstOf([]), 0)
})
