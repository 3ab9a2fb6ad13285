import { type ConfigSources, parseConfig, type ReadConfig } from './config.ts'
import { parseInWorker } from './file/parse-in-worker.ts'
import { readConfigOnce } from './file/read-file.ts'

/** A configuration that is being read. */
export type Reading = {
  /** The digest of the file. */
  readonly digest: string | null
  /** Whether it came from a file that can be read again. A pipe cannot. */
  readonly isWatchable: boolean
  readonly parsed: Promise<ReadConfig>
}

/**
 * Reads the file (null: none) and begins to parse it together with the other sources. Resolves once parsing has begun. A thread that has begun
 * to parse goes on while its caller blocks, but a thread that was not started yet would wait.
 */
export async function readConfig(path: string | null, sources: ConfigSources): Promise<Reading> {
  if (path === null) {
    return { digest: null, isWatchable: false, parsed: Promise.resolve(parseConfig({ file: null, ...sources })) }
  }
  const file = await readConfigOnce(path)
  if (!file.ok) {
    return { digest: null, isWatchable: false, parsed: Promise.resolve({ ok: false, problems: [file.problem] }) }
  }
  const { bytes, digest, isRegular } = file.content
  return { digest, isWatchable: isRegular, parsed: parseInWorker({ name: path, bytes }, sources) }
}
