import { type FSWatcher, watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import { type FileContent, readIfChanged } from './file.ts'
import type { Problem } from './problem.ts'

export type WatchOptions = {
  readonly file: string
  /** The digest of what is already in use; null when the file could not be read. */
  readonly seen: string | null
  /** There is something else in the file than last seen, or it is back after `onError`. The next look waits until this is done. */
  onChange(bytes: FileContent['bytes']): void | Promise<void>
  /** The file cannot be read any more, or its directory not be watched; said once, not at every look. */
  onError(problem: Problem): void
  /** How long the directory must be quiet before the file is read, so that half-written files are not. Milliseconds. */
  readonly debounceMs?: number
  /** How often to look without being told, in milliseconds: some file systems (NFS, some containers) report nothing. */
  readonly pollMs?: number
}

/** A file being watched. */
export type ConfigWatch = {
  /** Looks now, without being told of a change. */
  look(): Promise<void>
  /** What was seen could not be made use of: at the next look it is a change again. */
  forget(): void
  close(): void
}

/**
 * Watches a configuration file and never keeps the process alive. It is the directory that is watched: Kubernetes
 * replaces a ConfigMap by renaming the symlink `..data` beside the file, editors rename a new file over the old one,
 * and a watch on the file itself would stay with the old one for good.
 */
export function watchConfig(options: WatchOptions): ConfigWatch {
  const { file, onChange, onError, debounceMs = 100, pollMs = 30_000 } = options
  let { seen } = options
  let watcher: FSWatcher | undefined
  let told: string | undefined
  let pending: NodeJS.Timeout | undefined
  let looking = false
  let again = false
  let closed = false

  const tell = (problem: Problem) => {
    if (problem.message !== told) onError(problem)
    told = problem.message
  }

  const look = async (): Promise<void> => {
    again = looking
    if (looking) return
    looking = true
    do {
      again = false
      const read = await readIfChanged(file, seen)
      if (closed) return
      if (!read.ok) {
        seen = null
        tell(read.problem)
      } else if (read.content !== null && read.content.digest !== seen) {
        seen = read.content.digest
        told = undefined
        await onChange(read.content.bytes)
      }
    } while (again && !closed)
    looking = false
  }

  const lookSoon = (_event: string, name: string | null) => {
    // Other files of the directory may change all the time; what matters is the file, or `..data` and its like.
    if (name !== null && name !== basename(file) && !name.startsWith('..')) return
    clearTimeout(pending)
    pending = setTimeout(look, debounceMs).unref()
  }

  /** Watches anew each time: a directory that was removed and made again is another one, and the old watch is dead. */
  const watchDirectory = () => {
    const old = watcher
    watcher = undefined
    try {
      watcher = watch(dirname(file), { persistent: false }, lookSoon)
      watcher.on('error', () => watcher?.close())
    } catch {
      // No such directory, or no inotify watch left: the slow look goes on, and says so if the file cannot be read.
    }
    old?.close()
  }

  const poll = setInterval(() => {
    watchDirectory()
    void look()
  }, pollMs).unref()
  watchDirectory()
  // What changed between reading `seen` and watching.
  void look()

  return {
    look,
    forget() {
      seen = null
    },
    close() {
      closed = true
      clearInterval(poll)
      clearTimeout(pending)
      watcher?.close()
    },
  }
}
