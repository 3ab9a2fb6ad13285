import type { ConfigSources, ReadConfig } from '../config/config.ts'
import { describeLoss, lossSettleMs } from '../config/file/loss.ts'
import { parseInWorker } from '../config/file/parse-in-worker.ts'
import { type ConfigWatch, watchConfig } from '../config/file/watch.ts'
import { formatProblem } from '../config/problem.ts'
import { formatAdvice } from './commands/validate.ts'
import type { Porthole } from './serve.ts'

/** The most remarks on a file that are logged at once, because no operator reads more. */
const mostLogged = 100

/** Watches the configuration file and applies each change. It looks at the file at once. */
export function startConfigReloader({
  file,
  seen,
  sources,
  porthole,
}: {
  file: string
  /** The digest of the configuration in force. */
  seen: string | null
  sources: ConfigSources
  porthole: Porthole
}): ConfigWatch {
  const onChange = async (bytes: Uint8Array<ArrayBuffer>, sameForMs: number) => {
    const read = await parseInWorker({ name: file, bytes }, sources, porthole.services)
    if (!read.ok) {
      if (read.arePassing) watching.forget()
      return porthole.reloadFailed(firstOf(read.problems.map(formatProblem), file))
    }
    const loss = sameForMs < lossSettleMs ? await describeLoss(file, porthole.services, read.config.services) : null
    if (loss !== null) {
      porthole.log.warn(loss)
      return watching.postpone(lossSettleMs)
    }
    await porthole.reload(read.config)
    logRemarks(porthole, file, read)
  }
  const watching: ConfigWatch = watchConfig({
    file,
    seen,
    onChange,
    onError: (problem) => porthole.reloadFailed([formatProblem(problem)]),
  })
  return watching
}

/** Logs the notes and the advice on a configuration. */
export function logRemarks(
  { log }: Porthole,
  file: string | null,
  { notes, advice }: Extract<ReadConfig, { ok: true }>,
): void {
  for (const note of notes) log.warn(note)
  for (const line of firstOf(advice.map(formatAdvice), file)) log.warn(line)
}

/** Returns the first lines on a file. If there are more than 100, a last line says how to see the rest. */
function firstOf(lines: readonly string[], file: string | null): string[] {
  const more = lines.length - mostLogged
  return more > 0 ? [...lines.slice(0, mostLogged), `${more} more: porthole validate ${file} lists all`] : [...lines]
}
