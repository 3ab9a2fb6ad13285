import { parseConfig } from '../../config/config.ts'
import { readConfigOnce } from '../../config/file/read-file.ts'
import { formatProblem, type Problem } from '../../config/problem.ts'
import type { Output } from '../output.ts'

/** Settings that are required but may be outside the file. */
const givenElsewhere = { PORTHOLE_REDIS_URL: 'redis://environment' }

/**
 * Checks a configuration file without the environment and the command line. Writes every problem on a line of its own, or `porthole.yaml: ok, 4
 * services, 5 targets` and then the advice. Returns the exit status.
 */
export async function validate(file: string, { out, err }: Output): Promise<0 | 1> {
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
