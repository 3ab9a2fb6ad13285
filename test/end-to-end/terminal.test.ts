/** Porthole on a terminal: its log is for people, and what others write into it commands nothing. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import packageJson from '../../package.json' with { type: 'json' }
import { createFolder, endWithTests, environment, porthole, until } from '../support/process.ts'

const { error } = spawnSync('script', ['--version'])
const skip = error === undefined ? false : `there is no script: ${error.message}`

const forged = '[2026-12-01 00:00:00.000] FATAL: forged'
/** A name that a service may have, and a message that only an error may have. */
const service = 'pay\u202ements\u200b'
const hostile = `pay\u001b[2J\u009b31m\u202e\r\n${forged}`
/** Porthole has a bug as soon as somebody types a line. */
const bug = `data:text/javascript,process.stdin.once('data',()=>{throw new Error(${encodeURIComponent(JSON.stringify(hostile))})})`

/** Starts Porthole on a terminal of its own. `type` types a line. */
function startOnTerminal(t: TestContext, env: Record<string, string>) {
  const command = 'exec "$NODE" --import "$BUG" "$PORTHOLE" "$SERVICE=127.0.0.1:1"'
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    cwd: createFolder(t),
    env: environment({
      NODE: process.execPath,
      BUG: bug,
      PORTHOLE: porthole,
      SERVICE: service,
      SHELL: '/bin/sh',
      TERM: 'xterm',
      ...env,
    }),
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  endWithTests(child)
  const ended = once(child, 'close').then(([code]: unknown[]) => code)
  t.after(async () => {
    child.kill('SIGKILL')
    await ended
  })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part
  })
  const shown = (pattern: RegExp) => until(`the terminal shows ${pattern}`, async () => pattern.test(text))
  return { ended, shown, type: (line: string) => child.stdin.write(`${line}\n`), text: () => text }
}

/** The beginning of a line of the log. */
const beginning = /^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\] (INFO|WARN|ERROR|FATAL): /

for (const [name, env, hasColour] of [
  ['in colour', {}, true],
  ['without colour if NO_COLOR is set', { NO_COLOR: '1' }, false],
] as const) {
  test(`on a terminal the log is for people, ${name}, and no name or error commands the terminal`, {
    skip,
  }, async (t) => {
    const { ended, shown, type, text } = startOnTerminal(t, env)
    await shown(/metrics: http/)
    await shown(/is down: /)
    type('x')
    assert.equal(await ended, 1)
    const written = text().replaceAll('\r\n', '\n')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: an escape sequence begins with a control character
    const sequences = written.match(/[\u001b\u009b][^m]*m?/g) ?? []
    assert.deepEqual(
      sequences.filter((sequence) => !/^.\[\d{1,2}m$/.test(sequence)),
      [],
    )
    assert.equal(sequences.length > 0, hasColour)
    const lines = stripVTControlCharacters(written).split('\n')
    assert.ok(!written.includes('\u202e') && !written.includes('\r'))
    assert.deepEqual(
      lines.filter((line) => line.startsWith(forged)),
      [],
    )
    const said = lines.filter((line) => beginning.test(line)).map((line) => line.replace(beginning, ''))
    assert.equal(
      said[0],
      `Porthole ${packageJson.version}, Node.js ${process.version}, kernel prober, nothing is stored`,
    )
    const url = said
      .find((line) => line.startsWith('Server listening at '))
      ?.replace('Server listening at ', '')
      .trim()
    for (const page of [`status page: ${url}/`, `API reference: ${url}/docs`, `metrics: ${url}/metrics`])
      assert.ok(
        said.some((line) => line.trim() === page),
        page,
      )
    assert.ok(said.some((line) => line.startsWith('pay\\u202ements\\u200b is down: ')))
    // The stack of the bug is readable: a line for each call.
    assert.ok(said.some((line) => line.startsWith('a bug in Porthole: closing')))
    assert.ok(lines.some((line) => /^ +at .*data:text\/javascript/.test(line)))
  })
}
