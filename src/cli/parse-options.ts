import { closestWord } from '../domain/values/closest-word.ts'
import { parseDuration } from '../domain/values/duration.ts'

/**
 * Calls `parse`, which calls `parseArgs` with options of these names. Returns a string that states the error and the remedy if an option is unknown
 * or has no value.
 */
export function orMistake<Parsed>(names: readonly string[], parse: () => Parsed): Parsed | string {
  try {
    return parse()
  } catch (error) {
    if (!(error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))) throw error
    const [, unknown] = error.code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION' ? (/'(-[^']*)'/.exec(error.message) ?? []) : []
    return unknown === undefined ? firstSentence(error.message) : explainUnknownOption(unknown, names)
  }
}

function explainUnknownOption(option: string, names: readonly string[]): string {
  const known = [...names, 'help']
  const close = closestWord(option.replace(/^-+/, ''), known)
  const all = known.map((name) => `--${name}`).join(', ')
  return close === null
    ? `there is no option ${option} here, only ${all}`
    : `there is no option ${option}: did you mean --${close}?`
}

const firstSentence = (text: string) => text.split(/\.? ?\n|\. /, 1)[0] ?? text

/** Reads the duration of an option. Returns its milliseconds, or a string that states the error and the remedy. */
export function readDuration(option: string, text: string): number | string {
  const ms = parseDuration(text)
  return ms === null || ms <= 0 ? `${option} ${text}: write a duration such as 500ms or 2s` : ms
}
