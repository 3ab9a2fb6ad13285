import { accessSync, constants, mkdirSync, realpathSync, type Stats, statSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'

/** The permission bits that let the group or other users write. */
const othersWrite = 0o022

/**
 * Creates the folder for compiled code, and returns its path. Returns null if there is no safe place; each start then compiles all code again.
 * Compiled code is run as it is, so no user may write to the folder who could not change Porthole anyway.
 *
 * 1. `.cache/porthole` in node_modules beside the code, for a checkout or an installation that this user can write to.
 * 2. `porthole` in `XDG_CACHE_HOME`, or in `~/.cache` (XDG Base Directory Specification). Only this user and root may write to it, and to every
 *    folder above it.
 *
 * `root` is the folder of Porthole's package.json, and `user` the id of the user of this process.
 */
export function createCacheFolder(
  root: string,
  env: { readonly XDG_CACHE_HOME?: string | undefined; readonly HOME?: string | undefined },
  user: number,
): string | null {
  const beside = createFolder(join(root, 'node_modules/.cache/porthole'))
  if (beside !== null && isAsSafeAs(statSync(beside), statSync(root), user)) return beside

  const caches = isAbsolute(env.XDG_CACHE_HOME ?? '') ? env.XDG_CACHE_HOME : env.HOME && join(env.HOME, '.cache')
  if (caches === undefined || !isAbsolute(caches)) return null
  const own = createFolder(join(caches, 'porthole'))
  return own !== null && foldersTo(own).every((folder) => isSafe(statSync(folder), user)) ? own : null
}

/** Creates a folder that only this user may use. Returns its real path; null if this user cannot write to it. An existing folder is not changed. */
function createFolder(path: string): string | null {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    accessSync(path, constants.W_OK)
    return realpathSync(path)
  } catch {
    return null
  }
}

/** Returns whether no more users can write to the folder than to the code. */
function isAsSafeAs(folder: Stats, code: Stats, user: number): boolean {
  return [0, user, code.uid].includes(folder.uid) && (folder.mode & othersWrite & ~code.mode) === 0
}

/** Returns whether only this user and root can replace what is in the folder. In a sticky folder, users can replace only their own files. */
function isSafe(folder: Stats, user: number): boolean {
  return [0, user].includes(folder.uid) && ((folder.mode & othersWrite) === 0 || (folder.mode & 0o1000) !== 0)
}

/** Returns an absolute path and every folder above it. */
function foldersTo(path: string): string[] {
  const above = dirname(path)
  return above === path ? [path] : [path, ...foldersTo(above)]
}
