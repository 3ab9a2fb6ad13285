import type { LogFormat } from '../../config/environment.ts'
import { escapeUnseen } from '../../domain/values/quote.ts'

/** Turns a line of the log, as pino writes it, into the text for the output. */
export type FormatLine = (line: string) => string

/**
 * Returns a line as JSON. Names may contain characters that do not show as themselves. They are escaped in the way of JSON, so that the line reads
 * back as it was.
 */
export const formatAsJson: FormatLine = (line) => `${escapeUnseen(line.trimEnd())}\n`

/** Returns the format of the log. The code for people's lines is loaded only if it is needed. */
export async function loadLineFormat(
  format: LogFormat,
  { isTerminal, hasColour }: { readonly isTerminal: boolean; readonly hasColour: boolean },
): Promise<FormatLine> {
  return format === 'pretty' || (format === 'auto' && isTerminal) ? loadPrettyFormat(hasColour) : formatAsJson
}

/**
 * Returns the format for people: one line with time, level, sentence and the fields that the sentence does not have, then the stack of an error.
 *
 * It is a function and not a stream of pino-pretty, because such a stream would hold lines in a buffer of its own, which has no bound.
 */
async function loadPrettyFormat(hasColour: boolean): Promise<FormatLine> {
  const { prettyFactory } = (await import('pino-pretty')).default
  const settings = {
    colorize: hasColour,
    ignore: 'pid,hostname',
    translateTime: 'SYS:yyyy-mm-dd HH:MM:ss.l',
  }
  const inOneLine = prettyFactory({ ...settings, singleLine: true })
  const withList = prettyFactory({ ...settings, singleLine: false })
  return (line) => {
    const entry = leaveOutSaid(JSON.parse(line, escapeValue))
    // A list such as the problems of a file has a line for each of its items.
    return Object.values(entry).some(Array.isArray) ? withList(entry) : inOneLine(entry)
  }
}

/**
 * Escapes characters that do not show as themselves, before pino-pretty adds colours and ends of lines. Otherwise a name could forge a line, or
 * command the terminal. A stack keeps its lines, because pino-pretty indents each of them.
 */
function escapeValue(key: string, value: unknown): unknown {
  if (typeof value !== 'string') return value
  return key === 'stack' ? value.split('\n').map(escapeUnseen).join('\n') : escapeUnseen(value)
}

/** Leaves out the fields that say nothing, and the words that the sentence has. */
function leaveOutSaid(entry: Record<string, unknown>): Record<string, unknown> {
  const { msg } = entry
  const isSaid = (key: string, value: unknown) =>
    value === null || (key !== 'msg' && typeof value === 'string' && typeof msg === 'string' && msg.includes(value))
  return Object.fromEntries(Object.entries(entry).filter(([key, value]) => !isSaid(key, value)))
}
