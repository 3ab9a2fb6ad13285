import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** Returns the descriptors of this process with their files, such as `socket:[123]` (proc_pid_fd(5)), without the one that reads the list. */
export function openDescriptors(): Map<number, string> {
  const found = new Map<number, string>()
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      found.set(Number(name), readlinkSync(`/proc/self/fd/${name}`))
    } catch {
      // The descriptor of the list itself is closed by now.
    }
  }
  return found
}

/** Returns the descriptors that were opened since and are still open, each as `3 → socket:[123]`. */
export function openedSince(before: ReadonlyMap<number, string>): string[] {
  return [...openDescriptors()].filter(([fd, what]) => before.get(fd) !== what).map(([fd, what]) => `${fd} → ${what}`)
}

/** Returns the descriptors that an epoll descriptor waits for (proc_pid_fdinfo(5)). */
export function epollTargets(epoll: number): number[] {
  const info = readFileSync(`/proc/self/fdinfo/${epoll}`, 'utf8')
  return [...info.matchAll(/^tfd:\s+(\d+)/gm)].map(([, fd]) => Number(fd))
}
