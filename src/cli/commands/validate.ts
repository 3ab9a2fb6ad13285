import { parseArgs } from 'node:util'
import { parseConfig } from '../../config/config.ts'
import { readConfigOnce } from '../../config/file/read-file.ts'
import { formatProblem, type Problem } from '../../config/problem.ts'
import { type Command, reportMisuse } from '../command.ts'
import type { Output } from '../output.ts'
import { orMistake } from '../parse-options.ts'

const usage = `porthole validate FILE

Looks for problems in a configuration file, without the environment. Prints the place and the remedy of each problem, then advice.
Exit status: 0 no problem, 1 otherwise, 2 wrong usage.

  porthole validate porthole.yaml
  generate-config | porthole validate /dev/stdin`

/** Settings that are required but may be outside the file. */
const givenElsewhere = { PORTHOLE_REDIS_URL: 'redis://environment' }

/**
 * Checks a configuration file without the environment and the command line. Writes every problem on a line of its own, or `porthole.yaml: ok, 4
 * services, 5 targets` and then the advice. Returns the exit status.
 */
export async function validate(file: string, { out, err }: Pick<Output, 'out' | 'err'>): Promise<0 | 1> {
  const read = await readConfigOnce(file)
  const result = read.ok
    ? parseConfig({
        file: { name: file, text: new TextDecoder().decode(read.content.bytes) },
        targets: [],
        env: givenElsewhere,
      })
    : { ok: false as const, problems: [read.problem] }
  if (!result.ok) {
    for (const problem of result.problems) err(formatProblem(problem))
    return 1
  }
  const { services } = result.config
  const targets = services.reduce((sum, service) => sum + service.targets.length, 0)
  out(`${file}: ok, ${plural(services.length, 'service')}, ${plural(targets, 'target')}`)
  for (const advice of result.advice) out(formatAdvice(advice))
  return 0
}

/** Returns the line for a piece of advice: `porthole.yaml:3:12: advice: defaults.timeout: …` */
export function formatAdvice({ place, path, message }: Problem): string {
  return formatProblem({ place, path: 'advice', message: `${path}: ${message}` })
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

export const command: Command = {
  usage,
  async run(args, { output }) {
    const parsed = orMistake([], () => parseArgs({ args, allowPositionals: true }))
    if (typeof parsed === 'string') return reportMisuse(parsed, usage, output)
    const [file, ...more] = parsed.positionals
    if (file === undefined || more.length > 0) return reportMisuse('`porthole validate` takes one FILE', usage, output)
    return validate(file, output)
  },
}
