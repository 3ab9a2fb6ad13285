import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ReportedStatus } from '../../../src/domain/health/status.ts'
import { formatUptime, renderBadge, uptimeStatus } from '../../../src/page/badge/badge.ts'
import { type Glyph, glyphs, unitsPerPixel } from '../../../src/page/badge/glyphs.ts'

const printable = Array.from({ length: 0x7f - 0x20 }, (_, index) => String.fromCharCode(0x20 + index))
const glyphOf = (character: string): Glyph => glyphs[character] ?? assert.fail(`${character} is not drawn`)

type Attributes = Readonly<Record<string, string>>

const entities: Attributes = { '&#38;': '&', '&#60;': '<', '&#62;': '>', '&#34;': '"', '&#39;': "'" }
const decode = (text: string) =>
  text.replace(/&#?\w*;?/g, (entity) => entities[entity] ?? assert.fail(`${entity} is no reference`))

/** Reads the XML of a badge strictly: allowed characters, balanced tags, quoted attributes. Fails at anything else. */
function parse(xml: string): { name: string; attributes: Attributes; text: string }[] {
  assert.match(xml, /^[\n -\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]*$/u, 'a character that XML forbids')
  const elements: { name: string; attributes: Attributes; text: string }[] = []
  const open: (typeof elements)[number][] = []
  let read = 0
  for (const tag of xml.matchAll(/([^<>]*)<(\/?)(\w+)((?:\s+[\w:-]+="[^"<>]*")*)\s*(\/?)>/g)) {
    const [all, before = '', closes, name = '', written = '', empty] = tag
    assert.equal(tag.index, read, `no tag at ${xml.slice(read, read + 40)}`)
    read += all.length
    const parent = open.at(-1)
    if (parent === undefined) assert.equal(before, '', 'text outside of the document')
    else parent.text += decode(before)
    if (closes === '/') {
      assert.equal(open.pop()?.name, name)
      continue
    }
    assert.ok(parent !== undefined || elements.length === 0, 'a second root')
    const pairs = Array.from(written.matchAll(/([\w:-]+)="([^"]*)"/g), ([, key = '', value = '']) => [
      key,
      decode(value),
    ])
    const attributes: Attributes = Object.fromEntries(pairs)
    assert.equal(Object.keys(attributes).length, pairs.length, 'an attribute is there twice')
    const element = { name, attributes, text: '' }
    elements.push(element)
    if (empty !== '/') open.push(element)
  }
  assert.equal(xml.slice(read).trim(), '', 'text after the root')
  assert.equal(open.length, 0, 'an element is not closed')
  return elements
}

/** Renders a badge and returns its visible parts. */
function look(label: string, value = 'up', status: ReportedStatus = 'up') {
  const elements = parse(renderBadge({ label, value, status }))
  const [svg = assert.fail()] = elements
  const filled = elements.filter(({ name, attributes }) => name === 'path' && attributes.fill !== 'none')
  const [left = assert.fail(), right = assert.fail(), shape = assert.fail()] = filled.map((path) => path.attributes)
  return {
    svg: svg.attributes,
    width: Number(svg.attributes.width),
    names: elements.map(({ name }) => name).join(' '),
    title: elements.find(({ name }) => name === 'title')?.text,
    texts: elements.filter(({ name }) => name === 'text'),
    drawn: elements
      .filter(({ attributes }) => attributes.stroke === '#fff')
      .map(({ attributes }) => attributes.d ?? ''),
    left,
    right,
    shape,
  }
}

/** Counts the characters that a path draws, without blanks. */
const countGlyphs = (path: string) => path.match(/M/g)?.length

/** Returns the contrast of white on a colour (WCAG 2 §1.4.3). */
function contrastWithWhite(colour = ''): number {
  const [red = 0, green = 0, blue = 0] = (colour.match(/[0-9a-f]{2}/g) ?? assert.fail(`${colour} is no colour`))
    .map((hex) => Number.parseInt(hex, 16) / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
  return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)
}

test('every printable ASCII character except the space has a drawing of its own', () => {
  assert.deepEqual(new Set(Object.keys(glyphs)), new Set(printable))
  assert.equal(glyphOf(' ').path, '')
  const paths = printable.slice(1).map((character) => glyphOf(character).path)
  // Only relative commands are allowed, so that a glyph can be drawn anywhere.
  for (const path of paths) assert.match(path, /^m(-?\d+|[ mlhvcz])+$/)
  assert.equal(new Set(paths).size, printable.length - 1)
})

test('every character is a whole number of pixels wide', () => {
  for (const character of printable) {
    const { advance } = glyphOf(character)
    assert.ok(advance > 0 && advance % unitsPerPixel === 0, `${character} is ${advance} wide`)
  }
})

test('no character is drawn outside of its own width or of the height of the badge', () => {
  for (const character of printable.slice(1)) {
    const { advance, path } = glyphOf(character)
    let [x, y, startX, startY] = [0, 0, 0, 0]
    for (const [, command = '', numbers = ''] of path.matchAll(/([mlhvcz])([^a-z]*)/g)) {
      const by = numbers.match(/-?\d+/g)?.map(Number) ?? []
      if (command === 'z') [x, y] = [startX, startY]
      const size = { m: 2, l: 2, h: 1, v: 1, c: 6, z: 1 }[command] ?? assert.fail()
      assert.equal(by.length % size, 0, `${character}: ${command}${numbers}`)
      for (let at = 0; at < by.length; at += size) {
        const [dx = 0, dy = 0] = command === 'v' ? [0, by[at]] : by.slice(at + Math.max(0, size - 2), at + size)
        x += dx
        y += dy
        assert.ok(x >= 1 && x <= advance && y >= -32 && y <= 8, `${character} is drawn to ${x} ${y}`)
      }
      if (command === 'm') [startX, startY] = [x, y]
    }
  }
})

test('a badge is as wide as its characters need', () => {
  const widthOf = (text: string) =>
    Array.from(text, (character) => glyphOf(character).advance).reduce((sum, advance) => sum + advance, 0) /
    unitsPerPixel
  const bare = look('', '').width
  for (const [label, value] of [
    ['postgres', 'up'],
    ['Queue (legacy)', '99.95%'],
    ['i', 'W'],
  ] as const) {
    const { svg, width } = look(label, value)
    assert.equal(width, bare + widthOf(label) + widthOf(value))
    assert.deepEqual([svg.height, svg.viewBox], ['20', `0 0 ${width} 20`])
  }
})

test('label and value are one path each, and every character begins where the previous one ends', () => {
  const { drawn, names } = look('a b', '10%')
  const [a, b, one, zero, percent] = Array.from('ab10%', glyphOf) as [Glyph, Glyph, Glyph, Glyph, Glyph]
  assert.deepEqual(drawn, [
    `M0 0${a.path}M${a.advance + glyphOf(' ').advance} 0${b.path}`,
    `M0 0${one.path}M${one.advance} 0${zero.path}M${one.advance + zero.advance} 0${percent.path}`,
  ])
  assert.equal(names, 'svg title path path path path path')
})

test('a badge is an image with a name for screen readers', () => {
  const { svg, title } = look('postgres', 'down', 'down')
  assert.deepEqual(
    [svg.xmlns, svg.role, svg['aria-label'], title],
    ['http://www.w3.org/2000/svg', 'img', 'postgres: down', 'postgres: down'],
  )
})

test('a label is never markup, whatever characters it has', () => {
  for (const label of [
    '<img src=x onerror=alert(1)>',
    `"&'`,
    '" onload="alert(1)',
    '</title></svg><script>alert(1)</script>',
    ']]><!--',
    '&lt;&#60;',
    'é</text><script>alert(1)</script>',
  ]) {
    const { names, title, svg, texts } = look(label)
    assert.match(names, /^svg title path path path (path|text) path$/)
    assert.equal(title, `${label}: up`)
    assert.equal(svg['aria-label'], `${label}: up`)
    assert.equal(svg.onload, undefined)
    for (const { text } of texts) assert.equal(text, label)
  }
})

test('any label makes a valid document', () => {
  const anything = fc.string({
    unit: fc.constantFrom(...printable, 'é', '\u0301', '東', '🐘', '\uD83D', '\uFFFF', '\0', '\r'),
  })
  fc.assert(
    fc.property(anything, fc.constantFrom(...ReportedStatus.options), (label, status) => {
      assert.equal(look(label, status, status).names.split(' ')[0], 'svg')
    }),
  )
})

test('characters that XML forbids are replaced', () => {
  for (const forbidden of ['\uFFFE', '\uFFFF', '\uD800', '\uDC00', '\0', '\x1b', '\n']) {
    const { title, texts } = look(`a${forbidden}b`)
    assert.equal(title, 'a\uFFFDb: up')
    assert.equal(texts[0]?.text, 'a\uFFFDb')
  }
  assert.equal(look('🐘').title, '🐘: up')
})

test('a label that is not all ASCII is text, fitted into an estimated width, and the value is still drawn', () => {
  for (const label of ['Zürich', '東京 1', '🐘', 'שלום']) {
    const { texts, drawn, width } = look(label)
    const [{ text, attributes } = assert.fail()] = texts
    assert.equal(text, label)
    assert.equal(attributes['font-family'], 'sans-serif')
    assert.equal(Number(attributes.textLength), width - look('').width)
    assert.deepEqual(drawn, look('', 'up').drawn.slice(1))
  }
  const roomFor = (label: string) => Number(look(label).texts[0]?.attributes.textLength)
  assert.equal(roomFor('Zürich é'), roomFor('Zurich é'))
  assert.ok(roomFor('東京') > roomFor('éé'))
})

test('a long label is shortened in the picture, and complete in its title', () => {
  const fits = look('x'.repeat(40))
  assert.equal(countGlyphs(fits.drawn[0] ?? ''), 40)
  const long = look(`${'x'.repeat(39)}yz`)
  assert.equal(countGlyphs(long.drawn[0] ?? ''), 42)
  assert.equal(
    long.drawn[0],
    look(`${'x'.repeat(37)}...`).drawn[0]?.replace(/.*/, () => long.drawn[0] ?? ''),
  )
  assert.equal(long.title, `${'x'.repeat(39)}yz: up`)
  assert.equal(long.svg['aria-label'], long.title)
  assert.equal(look('x'.repeat(200)).width, long.width)
})

test('shortening never takes a character apart', () => {
  for (const character of ['🐘', 'e\u0301', '👩‍🔬', '🇨🇭']) {
    const { texts, title } = look(character.repeat(50))
    assert.equal(texts[0]?.text, `${character.repeat(39)}...`)
    assert.equal(title, `${character.repeat(50)}: up`)
  }
})

test('white text is legible on every colour', () => {
  assert.equal(contrastWithWhite('#000000'), 21)
  for (const status of ReportedStatus.options) {
    const { left, right } = look('pg', status, status)
    for (const { fill } of [left, right]) {
      const contrast = contrastWithWhite(fill)
      assert.ok(contrast >= 4.5, `${status}: ${contrast} on ${fill}`)
    }
  }
})

test('each status has its own shape, besides its colour', () => {
  const seen = ReportedStatus.options.map((status) => look('pg', '99.95%', status))
  for (const part of ['d', 'fill'] as const) {
    const values = seen.map(({ shape, right }) => (part === 'd' ? shape.d : right.fill))
    assert.equal(new Set(values).size, ReportedStatus.options.length)
  }
  for (const { shape } of seen) assert.equal(shape.fill, '#fff')
})

test('an uptime has two decimals at most and is never rounded up', () => {
  for (const [ratio, text] of [
    [null, 'unknown'],
    [1, '100%'],
    [0.999999, '99.99%'],
    [0.99999, '99.99%'],
    [1 - Number.EPSILON, '99.99%'],
    [0.9995, '99.95%'],
    [0.99949, '99.94%'],
    [0.999, '99.9%'],
    [0.95, '95%'],
    [0.57, '57%'],
    [0.29, '29%'],
    [0.000099, '0%'],
    [0, '0%'],
  ] as const) {
    assert.equal(formatUptime(ratio), text, String(ratio))
  }
})

test('an uptime with two decimals is formatted exactly', () => {
  for (let hundredths = 0; hundredths <= 10_000; hundredths++) {
    assert.equal(formatUptime(hundredths / 10_000), `${hundredths / 100}%`)
  }
})

test('an uptime is up from 99.9%, degraded from 95%, else down', () => {
  for (const [ratio, status] of [
    [1, 'up'],
    [0.999, 'up'],
    [0.998999, 'degraded'],
    [0.95, 'degraded'],
    [0.949999, 'down'],
    [0, 'down'],
    [null, 'unknown'],
  ] as const) {
    assert.equal(uptimeStatus(ratio), status, String(ratio))
  }
})
