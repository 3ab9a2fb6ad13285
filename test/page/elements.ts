/** Reads pages as elements, more strictly than a browser. Mistakes that a browser corrects are errors here. */
import assert from 'node:assert/strict'

export type Element = {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  /** All text in the element, including that of its descendants. */
  text: string
  /** The ancestors of the element, the outermost first. */
  readonly parents: readonly Element[]
}

const entities: Readonly<Record<string, string>> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
}

/** Returns a text as it was before it was escaped. Fails at a character that is not escaped. */
export function unescapeText(written: string): string {
  assert.doesNotMatch(written, /[<>"']/)
  return readText(written)
}

const readText = (written: string) =>
  written.replace(/&#?\w*;?/g, (entity) => entities[entity] ?? assert.fail(`${entity} in ${written}`))

const void_ = ['meta', 'link', 'input', 'br']
const tag = /([^<>]*)<(\/?)([a-z]\w*)((?:\s+[a-z][\w:-]*(?:="[^"<>]*")?)*)\s*(\/?)>/gi

/** Reads a document or a part of one. Fails unless tags balance and every attribute is in double quotes and there once. */
export function readElements(html: string): Element[] {
  const elements: Element[] = []
  const open: Element[] = []
  const body = html.replace(/^<!doctype html>\n/, '')
  let read = 0
  for (const match of body.matchAll(tag)) {
    const [all, before = '', closes, name = '', written = '', empty] = match
    assert.equal(match.index, read, `no tag at ${body.slice(read, read + 60)}`)
    read += all.length
    for (const element of open) element.text += readText(before)
    if (closes === '/') {
      assert.equal(open.pop()?.name, name)
      continue
    }
    const pairs = Array.from(written.matchAll(/([\w:-]+)(?:="([^"]*)")?/g), ([, key = '', value = '']) => [
      key,
      unescapeText(value),
    ])
    const attributes = Object.fromEntries(pairs)
    assert.equal(Object.keys(attributes).length, pairs.length, `an attribute is there twice: ${all}`)
    const element: Element = { name, attributes, text: '', parents: [...open] }
    elements.push(element)
    if (empty !== '/' && !void_.includes(name)) open.push(element)
  }
  assert.deepEqual([open.map(({ name }) => name), body.slice(read).trim()], [[], ''])
  return elements
}

/** Returns the text of the one element with this `data-part`, in one line. */
export function textOf(elements: readonly Element[], part: string): string {
  const [found, ...others] = elements.filter(({ attributes }) => attributes['data-part'] === part)
  assert.ok(found !== undefined && others.length === 0, `there is one ${part}`)
  return found.text.replace(/\s+/g, ' ').trim()
}

/** Returns the elements in a part, at any depth. */
export const within = (elements: readonly Element[], part: string): Element[] =>
  elements.filter(({ parents }) => parents.some(({ attributes }) => attributes['data-part'] === part))

/** Returns the keys of the items in a part, in their order. */
export const keysIn = (elements: readonly Element[], part: string): string[] =>
  within(elements, part).flatMap(({ attributes }) => attributes['data-key'] ?? [])
