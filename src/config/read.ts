import { type ConfigSources, parseConfig, type ReadConfig } from './config.ts'
import { readConfigOnce } from './file.ts'
import { parseAside } from './parse-aside.ts'

/** A configuration that is being read. */
export type Reading = {
  /** The digest of the file. */
  readonly digest: string | null
  /** It came from a file, and can be read again. What comes from a pipe cannot. */
  readonly isWatchable: boolean
  readonly parsed: Promise<ReadConfig>
}

/**
 * Reads the file (null: none) and begins to parse it together with the rest. Resolves once that goes on: a thread that parses is not
 * held up by what its caller does meanwhile, but would be if it were not started before.
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
  return { digest, isWatchable: isRegular, parsed: parseAside({ name: path, bytes }, sources) }
}
