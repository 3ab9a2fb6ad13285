import { get as getPlain, type IncomingMessage } from 'node:http'
import { get as getSecure } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs, styleText } from 'node:util'
import { readEnvironment } from '../../config/environment.ts'
import { formatProblem } from '../../config/problem.ts'
import { escapeUnseen, quote } from '../../domain/values/quote.ts'
import { flawOfSecret } from '../../domain/values/token.ts'
import { type Obstacle, readFile } from '../../runtime/read-file.ts'
import { wantsColour } from '../colour.ts'
import { type Command, type Context, reportMisuse } from '../command.ts'
import { orMistake } from '../parse-options.ts'
import { endSignals, onSignals } from '../signals.ts'

const usage = `porthole status [URL] [--watch] [--token-file FILE]

Shows the services of a running Porthole, the worst first. URL is its address, http://127.0.0.1:8080 by default; PORTHOLE_HOST and
PORTHOLE_PORT change the default. Colours follow NO_COLOR and FORCE_COLOR.
Exit status: 0 all are up, 1 otherwise or not reachable, 2 wrong usage.

  --watch              refresh every two seconds, until Ctrl-C
  --token-file FILE    the token of a reader, where details: token hides targets; otherwise PORTHOLE_TOKEN

  porthole status
  porthole status https://porthole.example.org --token-file /run/secrets/porthole --watch`

const options = { watch: { type: 'boolean' }, 'token-file': { type: 'string' } } as const

/** The longest time that an answer may take, and the interval of `--watch`, in milliseconds. */
const answerMs = 10_000
const refreshMs = 2000
/** The most characters of an answer that are read. 100,000 services that are down take about 20 million. */
const longestAnswer = 64 * 1024 * 1024
/** The most characters of a file with a token. */
const longestToken = 4096

/** The place to ask, and the token to send with the question; null without one. */
export type Source = { readonly url: URL; readonly token: string | null }
/** The lines of a text view, or one sentence that says why there are none. */
export type View =
  | { readonly ok: true; readonly lines: readonly string[] }
  | { readonly ok: false; readonly why: string }

/**
 * Asks a Porthole for its text view. Follows no redirect, so that the token reaches no other host. All text of the answer is escaped, because it
 * may contain the control characters of a terminal. `ended` ends the question.
 */
export async function readView({ url, token }: Source, ended?: AbortSignal): Promise<View> {
  const place = escapeUnseen(url.origin + url.pathname)
  const fail = (why: string): View => ({ ok: false, why: escapeUnseen(why) })
  const question = new URL('health?verbose', url)
  const headers = { accept: 'text/plain', ...(token !== null && { authorization: `Bearer ${token}` }) }
  const late = AbortSignal.timeout(answerMs)
  const signal = ended === undefined ? late : AbortSignal.any([late, ended])
  const get = url.protocol === 'https:' ? getSecure : getPlain
  try {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      get(question, { headers, signal }, resolve).once('error', reject)
    })
    const { statusCode: code = 0, headers: received } = answer
    if (code >= 300 && code < 400) {
      answer.destroy()
      return fail(`${place} redirects to ${received.location ?? 'nowhere'}: name that URL, if you trust it`)
    }
    const text = await readText(answer)
    if (text === null) return fail(`${place} sends an answer that is too long`)
    const isView = /^text\/plain\b/.test(received['content-type'] ?? '') && (code === 200 || code === 503)
    if (isView) return { ok: true, lines: text.trimEnd().split('\n').map(escapeUnseen) }
    return fail(`${place} answers ${code}${detailOf(text)}`)
  } catch (error) {
    return fail(
      `${place} cannot be reached: ${late.aborted ? `no whole answer in ${answerMs / 1000} s` : explainFailure(error)}`,
    )
  }
}

/** Reads a body. Returns null if it is too long. */
async function readText(answer: IncomingMessage): Promise<string | null> {
  let text = ''
  for await (const chunk of answer.setEncoding('utf8')) {
    text += chunk
    if (text.length > longestAnswer) return null
  }
  return text
}

/** Returns the sentence of a problem document (RFC 9457) as the end of a sentence. */
function detailOf(text: string): string {
  try {
    const { detail } = JSON.parse(text) as { detail?: unknown }
    return typeof detail === 'string' ? `: ${detail}` : ''
  } catch {
    return ', and not as a Porthole does: is this its URL?'
  }
}

function explainFailure(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ECONNREFUSED') return 'nothing listens there (ECONNREFUSED)'
  if (code === 'ENOTFOUND') return 'its name does not exist (ENOTFOUND)'
  return message === '' ? String(code) : message
}

const colours = {
  up: 'green',
  degraded: 'yellow',
  down: 'red',
  unknown: 'magenta',
  draining: 'cyan',
  warning: 'yellow',
} as const

/** Colours the status at the beginning of a line. */
function paint(line: string, hasColour: boolean): string {
  const [, word = '', rest = ''] = /^([a-z]+)(.*)$/.exec(line) ?? []
  if (!hasColour || !Object.hasOwn(colours, word)) return line
  return colour(colours[word as keyof typeof colours], word) + rest
}

/** Colours a text. `wantsColour` has decided that already, so Node.js does not look at its own standard output. */
const colour = (name: Parameters<typeof styleText>[0], text: string) => styleText(name, text, { validateStream: false })

/** Returns the exit status for a view: 0 if all services are up. */
const statusOf = (view: View): 0 | 1 => (view.ok && /^up\b/.test(view.lines[0] ?? '') ? 0 : 1)

// The control sequences of xterm: the alternate screen, the cursor, and whether long lines wrap.
const enterScreen = '\x1b[?1049h\x1b[?25l\x1b[?7l'
const leaveScreen = '\x1b[?7h\x1b[?25h\x1b[?1049l'
const toTop = '\x1b[H'
const clearRest = '\x1b[K'
const clearBelow = '\x1b[J'

/**
 * Shows a view again and again until a signal, on the alternate screen. While the server cannot be reached, the last view stays below the reason.
 * Resolves with the exit status for the last view.
 */
async function watch(source: Source, { env, output, streams: { stdout } }: Context): Promise<0 | 1> {
  const ended = new AbortController()
  const stopListening = onSignals(endSignals, () => ended.abort())
  const hasColour = wantsColour(env, true)
  let last: readonly string[] = []
  let view: View = { ok: true, lines: [] }

  function draw(): void {
    // A terminal without a size says 0.
    const rows = stdout.rows || 24
    const head = `${escapeUnseen(source.url.href)}  ${new Date().toTimeString().slice(0, 8)}`
    const lines = [head, ...(view.ok ? [] : [hasColour ? colour('red', view.why) : view.why]), '']
    const room = Math.max(1, rows - lines.length)
    const shown = last.length <= room ? last : last.slice(0, room - 1)
    lines.push(...shown.map((line) => paint(line, hasColour)))
    if (shown.length < last.length) lines.push(`… and ${last.length - shown.length} more lines`)
    output.write(`${toTop}${lines.map((line) => line + clearRest).join('\r\n')}${clearBelow}`)
  }

  output.write(enterScreen)
  stdout.on('resize', draw)
  try {
    while (!ended.signal.aborted) {
      const next = await readView(source, ended.signal)
      if (ended.signal.aborted) break
      view = next
      if (view.ok) last = view.lines
      draw()
      await sleep(refreshMs, undefined, { signal: ended.signal }).catch(() => {})
    }
  } finally {
    stdout.off('resize', draw)
    stopListening()
    output.write(leaveScreen)
  }
  return statusOf(view)
}

/** Returns the URL of a text, or a string that states the error and the remedy. */
function readUrl(text: string): URL | string {
  if (!/^https?:\/\//i.test(text))
    return `${quote(text)} is no URL: write http://${/^[\w.:[\]-]+$/.test(text) ? text : '127.0.0.1:8080'}`
  const url = URL.parse(text)
  if (url === null) return `${quote(text)} is no URL: write one such as http://127.0.0.1:8080`
  // No message repeats the text, because it may contain a secret.
  if (url.username !== '' || url.password !== '')
    return 'the URL has a user or a password: put the token into a file, and name it with --token-file'
  if (url.search !== '' || url.hash !== '')
    return `${quote(text)} has a query or a fragment: write the URL of the root of Porthole`
  if (!url.pathname.endsWith('/')) url.pathname += '/'
  return url
}

/** Returns the URL at which a server with this environment listens. A server that listens on all addresses is asked on the loopback address. */
function defaultUrl(host: string | null, port: number | null): string {
  const named = host === null || host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${named.includes(':') ? `[${named}]` : named}:${port ?? 8080}`
}

/** Reads a token from a file. Returns null if that fails, after a line that says why. */
async function readTokenFile(file: string, err: (line: string) => void): Promise<string | null> {
  const read = await readFile(file, { deadlineMs: answerMs, mayBePipe: true }, async ({ chunks }) => {
    let text = ''
    for await (const chunk of chunks(longestToken)) text += new TextDecoder().decode(chunk)
    return text.replace(/\r?\n$/, '')
  })
  const flaw = read.ok ? flawOfSecret(read.value) : explainObstacle(read.obstacle)
  if (flaw !== null) err(`porthole: ${file}: ${flaw}`)
  return read.ok && flaw === null ? read.value : null
}

function explainObstacle(obstacle: Obstacle): string {
  switch (obstacle.kind) {
    case 'error':
      return obstacle.code === 'ENOENT' ? 'there is no such file' : `the file cannot be read (${obstacle.code})`
    case 'other':
      return `this is ${obstacle.what}: name the file that has the token`
    case 'late':
      return `the file cannot be read within ${obstacle.ms / 1000} s`
  }
}

export const command: Command = {
  usage,
  async run(args, context) {
    const { env, output, streams } = context
    const misuse = (error: string) => reportMisuse(error, usage, output)
    const parsed = orMistake(Object.keys(options), () => parseArgs({ args, options, allowPositionals: true }))
    if (typeof parsed === 'string') return misuse(parsed)
    const { values, positionals } = parsed
    if (positionals.length > 1) return misuse('`porthole status` takes one URL')
    if (values.watch && !streams.stdout.isTTY) return misuse('--watch needs a terminal: leave it out to print once')
    const [text] = positionals
    const { PORTHOLE_HOST, PORTHOLE_PORT, PORTHOLE_TOKEN } = env
    const place = text === undefined ? { PORTHOLE_HOST, PORTHOLE_PORT } : {}
    const read = readEnvironment({ ...place, PORTHOLE_TOKEN })
    for (const problem of read.problems) output.err(formatProblem(problem))
    if (read.problems.length > 0) return 2
    if (read.port === 0) return misuse('PORTHOLE_PORT is 0, which any port may stand for: name the URL')
    const url = readUrl(text ?? defaultUrl(read.host, read.port))
    if (typeof url === 'string') return misuse(url)
    const file = values['token-file']
    const token = file === undefined ? PORTHOLE_TOKEN || null : await readTokenFile(file, output.err)
    if (file !== undefined && token === null) return 2

    const source = { url, token }
    if (values.watch) return watch(source, context)
    const view = await readView(source)
    const hasColour = wantsColour(env, streams.stdout.isTTY)
    if (view.ok) for (const line of view.lines) output.write(`${paint(line, hasColour)}\n`)
    else output.err(`porthole: ${view.why}`)
    return statusOf(view)
  },
}
