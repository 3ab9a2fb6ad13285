/** A file system that hangs like a network mount whose server is gone. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Scope } from './process.ts'

/** The reason why no such file system can be made here; false if it can. */
export const noHungMount: false | string = existsSync('/dev/fuse')
  ? false
  : 'there is no /dev/fuse to mount a file system that hangs'

/**
 * Mounts, in the mount namespace of the test, a file system whose server (fuse(4)) answers nothing, so that every open of a file there waits.
 * `release` ends the server, and all waiting calls fail with an error.
 */
export async function mountHung(t: Scope): Promise<{ readonly folder: string; release(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'porthole-hung-'))
  const script = `exec 3<>/dev/fuse
    mount -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 hung ${folder} 3>&3
    echo mounted
    read -r end`
  const server = spawn('sh', ['-euc', script], { stdio: ['pipe', 'pipe', 'inherit'] })
  const gone = once(server, 'close')
  const ended = gone.then(([code]) => Promise.reject(new Error(`no file system that hangs: sh ended with ${code}`)))
  await Promise.race([once(server.stdout, 'data'), ended])
  ended.catch(() => undefined)
  const release = async () => {
    server.kill('SIGKILL')
    await gone
  }
  t.after(async () => {
    await release()
    const umount = spawn('umount', ['-l', folder], { stdio: 'ignore' })
    await once(umount, 'close')
    rmSync(folder, { recursive: true })
  })
  return { folder, release }
}
