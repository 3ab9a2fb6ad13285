import { type ConfigSources, parseConfig, type ReadConfig } from './config.ts'
import { readConfigFile } from './file.ts'
import { parseAside } from './parse-aside.ts'

/** A configuration that is being read; `digest` is the file's, for whoever watches it. */
export type Reading = { readonly digest: string | null; readonly parsed: Promise<ReadConfig> }

/**
 * Reads the file (null: none) and begins to parse it together with the rest. Resolves once that goes on: a thread that parses is not
 * held up by what its caller does meanwhile, but would be if it were not started before.
 */
export async function readConfig(path: string | null, sources: ConfigSources): Promise<Reading> {
  if (path === null) return { digest: null, parsed: Promise.resolve(parseConfig({ file: null, ...sources })) }
  const file = await readConfigFile(path)
  if (!file.ok) return { digest: null, parsed: Promise.resolve({ ok: false, problems: [file.problem] }) }
  const { bytes, digest } = file.content
  return { digest, parsed: parseAside({ name: path, bytes }, sources) }
}
