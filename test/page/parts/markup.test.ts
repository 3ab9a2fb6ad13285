import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { escapeText, html } from '../../../src/page/parts/markup.ts'
import { readElements, unescapeText } from '../elements.ts'

const anything = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({
    unit: fc.constantFrom('<', '>', '"', "'", '&', ';', '#', '=', ' ', '\n', 'a', 'amp', 'lt', '\0', '\uD83D'),
  }),
)

test('any text in an element or an attribute is read back unchanged', () => {
  fc.assert(
    fc.property(anything, anything, (title, name) => {
      const [element = assert.fail(), ...others] = readElements(html`<b title="${title}">${name}</b>`.markup)
      assert.deepEqual([element.attributes, element.text, others], [{ title }, name, []])
    }),
  )
})

test('escaped text has no special characters of HTML, and each is escaped in one way', () => {
  fc.assert(fc.property(anything, (text) => assert.equal(unescapeText(escapeText(text)), text)))
  assert.equal(
    escapeText(`<a href="x" id='y'>&amp;</a>`),
    '&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;amp;&lt;/a&gt;',
  )
})

test('markup in markup stays markup, alone and in lists', () => {
  const items = ['a & b', '<c>'].map((name) => html`<li>${name}</li>`)
  assert.equal(html`<ul>${items}</ul>`.markup, '<ul><li>a &amp; b</li><li>&lt;c&gt;</li></ul>')
  assert.equal(html`<p>${html`<b>${html`${'<i>'}`}</b>`}</p>`.markup, '<p><b>&lt;i&gt;</b></p>')
})

test('a text that looks like markup is escaped, unless it was made by html``', () => {
  assert.equal(html`${'{ "markup": "<b>" }'}`.markup, '{ &quot;markup&quot;: &quot;&lt;b&gt;&quot; }')
})

test('null, false and an empty list insert nothing, and 0 and an empty text are written', () => {
  assert.equal(html`<p>${null}${false}${[]}</p>`.markup, '<p></p>')
  assert.equal(html`<p a="${''}">${0}</p>`.markup, '<p a="">0</p>')
  assert.equal(html`nothing put in`.markup, 'nothing put in')
  assert.equal(html`${1}${'2'}${3}`.markup, '123')
})
