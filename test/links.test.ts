/** Checks that links inside the repository's Markdown pages lead somewhere. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { anchorsOf, linksOf, pages, root } from './support/readme.ts'

/** Every page of the documentation, and the Markdown pages at the top of the repository and in bench/. */
const paths = new Set([
  ...pages.map(({ path }) => path),
  ...['', 'bench'].flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(folder, name)),
  ),
])
const read = (path: string) => readFileSync(join(root, path), 'utf8')

test('every relative link of the documentation leads to a file, and every anchor to a heading', () => {
  const broken = [...paths].flatMap((path) =>
    linksOf(read(path))
      .filter(({ link }) => !/^[a-z]+:/.test(link))
      .filter(({ link }) => {
        const [file = '', anchor] = link.split('#')
        const to = file === '' ? path : join(dirname(path), decodeURIComponent(file))
        // A path that begins with ../.. leaves the repository.
        if (to.startsWith('..') || !existsSync(join(root, to))) return true
        return anchor !== undefined && !anchorsOf(read(to)).includes(anchor)
      })
      .map(({ link, line }) => `${path}:${line}: ${link}`),
  )
  assert.deepEqual(broken, [])
})

test('every path of the code that the documentation names exists', () => {
  const named = /`((?:src|test|bench|deploy|docs|openapi|tools)\/[\w./-]+)`/g
  const found = [...paths].flatMap((path) =>
    [...read(path).matchAll(named)].map(([, name = '']) => [path, name] as const),
  )
  assert.ok(found.length > 50, 'hardly any paths were found')
  assert.deepEqual(
    found.filter(([, name]) => !existsSync(join(root, name))),
    [],
  )
})

test('README.md leads to every page of docs/', () => {
  const linked = linksOf(read('README.md')).map(({ link }) => link.replace(/#.*/, ''))
  assert.deepEqual(
    pages.map(({ path }) => path).filter((path) => path !== 'README.md' && !linked.includes(path)),
    [],
  )
})

test('README.md has at most 150 lines', () => {
  const { length } = read('README.md').trimEnd().split('\n')
  assert.ok(length <= 150, `${length} lines`)
})

test('anchors are those that GitHub gives to headings', () => {
  const text =
    '# `dial`\n## What a check proves, and what not\n### `dial.private` covers\n```sh\n# a comment\n```\n# `dial`\n<a id="here"></a>\n'
  assert.deepEqual(anchorsOf(text), [
    'dial',
    'what-a-check-proves-and-what-not',
    'dialprivate-covers',
    'dial-1',
    'here',
  ])
})

test('links are found in prose, tables and pictures, and not in code', () => {
  const text = '[a](b.md#c) | ![d](e.png) | `[f](g)`\n<img src="h.png">\n```md\n[i](j)\n```\n[![k](l.svg)](m.md)\n'
  assert.deepEqual(
    linksOf(text).map(({ link, line }) => `${line} ${link}`),
    ['1 b.md#c', '1 e.png', '2 h.png', '6 l.svg', '6 m.md'],
  )
})
