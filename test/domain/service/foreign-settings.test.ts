import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readForeignSettings } from '../../../src/domain/service/foreign-settings.ts'
import { ServiceSettings } from '../../../src/domain/service/service.ts'

const read = (written: unknown) => {
  const found = readForeignSettings(ServiceSettings, written)
  return typeof found === 'string'
    ? found
    : { keys: Object.keys(found.settings), unread: found.unread, ignored: found.ignored }
}

test('settings that this version wrote are read completely', () => {
  assert.deepEqual(read({ targets: ['a:1'], rise: 3 }), { keys: ['targets', 'rise'], unread: [], ignored: [] })
})

test('an unknown setting is ignored unless the writer requires it', () => {
  const written = { targets: ['a:1'], colour: 1, exchange: 'redis' }
  assert.deepEqual(read(written), { keys: ['targets'], unread: [], ignored: ['colour', 'exchange'] })
  assert.deepEqual(read({ ...written, requires: ['exchange'] }), {
    keys: ['targets'],
    unread: ['exchange'],
    ignored: ['colour'],
  })
})

test('a known setting that the writer requires is read like any other', () => {
  assert.deepEqual(read({ targets: ['a:1'], fall: 2, requires: ['fall', 'absent'] }), {
    keys: ['targets', 'fall'],
    unread: [],
    ignored: [],
  })
})

test('a known setting with an unreadable value counts as required, and the other settings are read', () => {
  assert.deepEqual(read({ targets: ['a:1'], rise: 3, quorum: 'exactly-one', close: { mode: 'tls' } }), {
    keys: ['targets', 'rise'],
    unread: ['quorum', 'close'],
    ignored: [],
  })
})

test('a malformed list of requirements requires nothing', () => {
  for (const requires of [7, 'exchange', { exchange: true }, [1]])
    assert.deepEqual(read({ targets: ['a:1'], requires }), { keys: ['targets'], unread: [], ignored: [] })
})

test('settings without readable targets are rejected with a sentence that says why', () => {
  assert.match(String(read({ targets: ['srv:x'], colour: 1 })), /^targets: 0: .* is not a port/)
  assert.match(String(read({})), /^targets: targets is missing/)
  for (const written of [null, 7, 'text', []]) assert.match(String(read(written)), /is not a service/)
})
