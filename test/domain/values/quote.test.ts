import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { adviseOnGroup, adviseOnName } from '../../../src/domain/service/name-advice.ts'
import { escapeUnseen, hidesCharacters, quote, show } from '../../../src/domain/values/quote.ts'

/** An escape sequence, a C1 escape sequence, marks of direction, characters without width, line ends, a tag, a filler. */
const unseen = [
  '\u001b[2J',
  '\u009b2J',
  '\u202e',
  '\u2066',
  '\u200b',
  '\u200d',
  '\ufeff',
  '\u00ad',
  '\n',
  '\r',
  '\u2028',
  '\u0000',
  '\u007f',
  '\u{E0041}',
  '\u3164',
  '\u034f',
]

test('text is unchanged, except that invisible characters are escaped and the text is quoted', () => {
  for (const text of ['pg', 'näm€', '日本語', '🙂', 'a b/c', "it's", '"quoted"', 'é', 'e\u0301'])
    assert.equal(show(text), text)
  assert.equal(show('a\u202eb'), '"a\\u202eb"')
  assert.equal(show('a"\nup: all'), '"a\\"\\nup: all"')
  assert.equal(show('\u{E0041}'), '"\\udb40\\udc41"')
})

test('no line of text has invisible characters, and the escaped JSON has the same value', () => {
  const text = fc.string({
    unit: fc.oneof(
      fc.constantFrom(...unseen, '"', '\\', 'a'),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
    ),
  })
  fc.assert(
    fc.property(text, (name) => {
      for (const shown of [show(name), quote(name), escapeUnseen(name)]) assert.equal(hidesCharacters(shown), false)
      assert.equal(JSON.parse(escapeUnseen(JSON.stringify({ name }))).name, name)
      if (show(name) !== name) assert.equal(JSON.parse(show(name)), name)
    }),
  )
  for (const one of unseen) assert.equal(hidesCharacters(`a${one}`), true, JSON.stringify(one))
})

test('a name that may look like another name gets advice', () => {
  assert.equal(adviseOnName('postgres'), null)
  assert.equal(
    adviseOnName('post\u200bgres'),
    'the name "post\\u200bgres" holds characters that do not show: it may look like another name, so choose one without them',
  )
  assert.match(
    adviseOnName('a\u202e/b') ?? '',
    /^a name with \/ is not found by \/health\/"a\\u202e\/b": .*; the name /,
  )
  assert.equal(adviseOnGroup('payments'), null)
  assert.match(adviseOnGroup('pay\u00adments') ?? '', /^the group "pay\\u00adments" holds characters that do not show/)
})
