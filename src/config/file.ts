import { readFile } from 'node:fs/promises'
import type { Problem } from './problem.ts'

/** The text of a configuration file, or why there is none. */
export async function readConfigFile(
  path: string,
): Promise<{ readonly ok: true; readonly text: string } | { readonly ok: false; readonly problem: Problem }> {
  try {
    return { ok: true, text: await readFile(path, 'utf8') }
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException
    return { ok: false, problem: { place: path, path: '', message: explainUnreadable(code) } }
  }
}

function explainUnreadable(code: string): string {
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'there is no such file: write it, or name another one with --config FILE'
    case 'EISDIR':
      return 'this is a directory: name the file in it'
    case 'EACCES':
    case 'EPERM':
      return `Porthole may not read this file (${code}): give its user the right to`
    default:
      return `the file cannot be read (${code})`
  }
}
