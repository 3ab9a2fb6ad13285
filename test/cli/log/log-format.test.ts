import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { wantsColour } from '../../../src/cli/colour.ts'
import { loadLineFormat } from '../../../src/cli/log/log-format.ts'
import { hidesCharacters } from '../../../src/domain/values/quote.ts'

const time = Date.now()
const written = (entry: object) => `${JSON.stringify({ level: 30, time, pid: 1, hostname: 'here', ...entry })}\n`
const load = (format: 'auto' | 'json' | 'pretty', isTerminal: boolean, hasColour = false) =>
  loadLineFormat(format, { isTerminal, hasColour })
/** Removes the time at the beginning of a line, which depends on the time zone. */
const withoutTime = (text: string) => text.replace(/^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\] /, '')

test('the log is JSON, and lines for people on a terminal, unless a format is chosen', async () => {
  const line = written({ msg: 'closing', signal: 'SIGTERM' })
  for (const [format, isTerminal] of [
    ['auto', false],
    ['json', true],
    ['json', false],
  ] as const)
    assert.equal((await load(format, isTerminal))(line), line)
  for (const [format, isTerminal] of [
    ['auto', true],
    ['pretty', false],
  ] as const)
    assert.equal(withoutTime((await load(format, isTerminal))(line)), 'INFO: closing {"signal":"SIGTERM"}\n')
})

test('a line for people leaves out the fields that its sentence has, and those that say nothing', async () => {
  const format = await load('pretty', true)
  const msg = 'a is down: nothing listens'
  assert.equal(withoutTime(format(written({ msg, service: 'a', target: null, to: 'down' }))), `INFO: ${msg}\n`)
  assert.equal(withoutTime(format(written({ msg, from: 'up', count: 0 }))), `INFO: ${msg} {"from":"up","count":0}\n`)
})

test('a list has a line for each item', async () => {
  const format = await load('pretty', true)
  assert.equal(
    withoutTime(format(written({ level: 50, msg: 'problems', problems: ['a.yaml:1:1: x', 'a.yaml:2:1: y'] }))),
    'ERROR: problems\n    problems: [\n      "a.yaml:1:1: x",\n      "a.yaml:2:1: y"\n    ]\n',
  )
})

const hostile = 'a\u001b[2J\u009b31m\u202e\u007f\t\r\n[2026-12-01 00:00:00.000] FATAL: forged'

test('a name or a message cannot forge a line, nor command the terminal', async () => {
  for (const hasColour of [false, true]) {
    const format = await load('pretty', true, hasColour)
    for (const entry of [
      { msg: `${hostile} is down` },
      { msg: 'x', service: hostile },
      { msg: 'x', cause: { name: hostile } },
      { msg: 'x', problems: [hostile] },
      { msg: 'x', err: { type: hostile, message: hostile, stack: `Error: ${hostile}\n    at f (${hostile})` } },
    ]) {
      const text = format(written(entry))
      const lines = stripVTControlCharacters(text).trimEnd().split('\n')
      assert.ok(
        lines.every((line) => !hidesCharacters(line)),
        JSON.stringify(text),
      )
      assert.equal(lines.filter((line) => /^\S/.test(line)).length, 1, text)
      // What is left of escape sequences are colours.
      // biome-ignore lint/suspicious/noControlCharactersInRegex: an escape sequence begins with a control character
      const sequences = text.match(/\u001b[^m]*m?/g) ?? []
      assert.ok(
        sequences.every((sequence) => /^.\[\d{1,2}m$/.test(sequence)),
        JSON.stringify(sequences),
      )
      assert.equal(sequences.length > 0, hasColour)
    }
  }
})

test('a stack keeps its lines, below the line of its error', async () => {
  const format = await load('pretty', true)
  const { message, stack } = new Error('broken')
  const text = withoutTime(format(written({ level: 60, msg: 'a bug', err: { type: 'Error', message, stack } })))
  const [first, ...more] = text.split('\n')
  assert.equal(first, 'FATAL: a bug ')
  const frames = more.map((line) => line.trim())
  for (const line of stack?.split('\n') ?? assert.fail()) assert.ok(frames.includes(line.trim()), text)
})

test('colours are for terminals; NO_COLOR prevents them, and FORCE_COLOR decides over both', () => {
  for (const [env, isTerminal, wanted] of [
    [{}, true, true],
    [{}, false, false],
    [{ TERM: 'dumb' }, true, false],
    [{ NO_COLOR: '1' }, true, false],
    [{ NO_COLOR: '' }, true, true],
    [{ FORCE_COLOR: '1' }, false, true],
    [{ FORCE_COLOR: '3', NO_COLOR: '1' }, false, true],
    [{ FORCE_COLOR: '0' }, true, false],
    [{ FORCE_COLOR: '' }, true, true],
  ] as const)
    assert.equal(wantsColour(env, isTerminal), wanted, JSON.stringify({ env, isTerminal }))
})
