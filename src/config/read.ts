import { type ConfigSources, parseConfig, type ReadConfig } from './config.ts'
import { readConfigFile } from './file.ts'
import { parseAside } from './parse-aside.ts'

/** Reads the file (null: none) and parses it together with the rest; `digest` is the file's, for whoever watches it. */
export async function readConfig(
  path: string | null,
  sources: ConfigSources,
): Promise<ReadConfig & { readonly digest: string | null }> {
  if (path === null) return { ...parseConfig({ file: null, ...sources }), digest: null }
  const file = await readConfigFile(path)
  if (!file.ok) return { ok: false, problems: [file.problem], digest: null }
  const { bytes, digest } = file.content
  return { ...(await parseAside({ name: path, bytes }, sources)), digest }
}
