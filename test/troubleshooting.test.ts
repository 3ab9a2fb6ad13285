/** Compares docs/troubleshooting.md with the reasons, the alerts and the log lines that it explains. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { describeDropped } from '../src/cli/log/event-log.ts'
import { describeLoss } from '../src/config/file/loss.ts'
import { diagnose } from '../src/domain/check/diagnosis.ts'
import { type Reason, reasons } from '../src/domain/check/outcome.ts'
import { targetAt } from '../src/domain/target/target.ts'
import { build } from './support/app.ts'
import { root } from './support/readme.ts'
import { sampleOutcome, sampleService } from './support/samples.ts'

const read = (name: string) => readFileSync(join(root, name), 'utf8')
const page = read('docs/troubleshooting.md')

/** The text of each section, by its heading without backquotes. */
const sections = new Map(
  page.split(/^#+ /m).map((section) => {
    const end = section.indexOf('\n')
    return [section.slice(0, end).replaceAll('`', ''), section.slice(end)] as const
  }),
)

/** Returns the anchor that GitHub gives to a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-')
}

type Rule = { alert: string; annotations: { runbook_url?: string } }
const rules: Rule[] = parse(read('deploy/prometheus-rules.yaml')).groups.flatMap(
  (group: { rules: Rule[] }) => group.rules,
)

test('every reason and every alert has a section with symptom, cause, command and remedy', () => {
  const incomplete = [...reasons, ...rules.map(({ alert }) => alert)].filter((name) => {
    const text = sections.get(name) ?? ''
    return !['Symptom', 'Cause', 'See it', 'Remedy'].every((part) => text.includes(`**${part}.**`))
  })
  assert.deepEqual(incomplete, [])
})

test('the runbook of every alert is its section', () => {
  const anchors = new Set([...sections.keys()].map(anchorOf))
  for (const { alert, annotations } of rules) {
    assert.equal(
      annotations.runbook_url,
      `https://porthole.example/docs/troubleshooting.md#${alert.toLowerCase()}`,
      alert,
    )
    assert.ok(anchors.has(alert.toLowerCase()), alert)
  }
})

test('the page explains no alert and no reason that does not exist', () => {
  const known = new Set(rules.map(({ alert }) => alert))
  const headings = [...sections.keys()]
  assert.deepEqual(
    headings.filter((heading) => /^Porthole[A-Z]\w+$/.test(heading) && !known.has(heading)),
    [],
  )
  assert.deepEqual(
    page.match(/^### `\w+`$/gm),
    reasons.map((reason) => `### \`${reason}\``),
  )
})

test('the section of a reason quotes the sentence that a report shows', () => {
  const icmp = { version: 4, type: 3, code: 13, from: '10.0.0.1' } as const
  const evidence: Partial<Record<Reason, Parameters<typeof sampleOutcome>[2]>> = {
    connected: { latencyMs: 0.21 },
    refused: { answer: 'rst', latencyMs: 0.21 },
    rejected: { icmp },
    timeout: { startedAt: -2000, synRetransmits: 1 },
    unreachable: { answer: 'no-neighbour' },
  }
  for (const reason of reasons) {
    // The sentence of an expired registration is about its service.
    if (reason === 'expired') continue
    const about = { address: '10.0.0.5:5432', code: null, ...evidence[reason] }
    const sentence = diagnose(sampleOutcome(reason, 0, about), targetAt('db.internal', 5432))
    const [clause = ''] = sentence.replace('""', '"…"').split(/(?<=\)|\D): /)
    assert.ok(sections.get(reason)?.replace(/\s+/g, ' ').includes(clause), `${reason}: ${clause}`)
  }
})

/** Returns the texts in the call of a function that begins at an index of a source: those with a space, with … for what is filled in. */
function textsOfCall(source: string, from: number): string[] {
  let depth = 0
  let end = source.indexOf('(', from)
  do {
    if (source[end] === '(') depth++
    if (source[end] === ')') depth--
    end++
  } while (depth > 0)
  const call = source.slice(from, end)
  return [...call.matchAll(/`((?:[^`\\]|\\.)*)`|'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"/g)]
    .map(([, template, single, double]) => template?.replace(/\$\{[^}]*\}/g, '…') ?? single ?? double ?? '')
    .filter((text) => text.includes(' '))
}

/** A text of the log with the parts that differ left out, so that `N s` and `… s` are the same. */
const plain = (text: string) => text.replace(/ ?(?:…|\bN\b|`|\\)/g, '')

const sources = globSync('src/**/*.ts', { cwd: root }).map(read)
const textsOfCalls = (pattern: RegExp) =>
  sources.flatMap((source) => [...source.matchAll(pattern)].flatMap(({ index }) => textsOfCall(source, index)))

test('every warning and every error of the log is quoted', async () => {
  const written = textsOfCalls(/\blog\.(?:warn|error|fatal)\(/g)
  // Sentences that other parts pass on to the log.
  const loss = await describeLoss('x', new Map([['a', sampleService('a', ['a:1'])]]), [])
  const passedOn = [
    describeDropped({ lines: 5, cause: '…' }).replace('5', 'N'),
    loss?.replace(/^x/, '…').replace(/\d+ of \d+/, 'N of N') ?? assert.fail(),
    ...textsOfCalls(/\bnotes\.push\(/g),
    ...textsOfCalls(/\bonProblem\(\s/g),
    ...textsOfCalls(/\bemit\(\{ kind: 'unread'/g),
  ]
  assert.ok(written.length > 20 && passedOn.length > 6, `${written.length}, ${passedOn.length}`)
  const quoted = plain(page)
  assert.deepEqual(
    [...written, ...passedOn].filter((text) => !quoted.includes(plain(text))),
    [],
  )
})

test('every command asks a route that exists', async (t) => {
  const { get } = await build(t)
  const asked = [...page.matchAll(/localhost:8080(\/[^\s'`]*)/g)].map(([, path = '']) => path)
  assert.ok(asked.length > 20)
  for (const path of new Set(asked)) {
    const { statusCode, body } = await get(path, { accept: 'text/plain' })
    assert.ok(statusCode !== 404 || body.includes('SERVICE'), `${path}: ${statusCode} ${body}`)
  }
})
