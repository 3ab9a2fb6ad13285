import type { Clock } from '../clock.ts'
import type { Keys } from '../redis/keys.ts'
import { offerScript } from './lease-script.ts'
import type { Link } from './link.ts'
import { type OfferedFile, offerFile, readOfferedFile, type SharedFile } from './shared-file.ts'

/** Which file counts, as the store says. */
export type NewestFile = {
  /** Of the file that was loaded last, of those that live replicas have; empty while none has. */
  readonly digest: string
  /** The store has what this replica's own file defines. */
  readonly hasOwn: boolean
}

/** What the configuration files of all replicas define: the one loaded last counts, for as long as a live replica has it. */
export type FileOffers = {
  /** This replica's own was loaded now. */
  offer(file: SharedFile): void
  /** What goes along with each renewal. */
  own(): { readonly digest: string; readonly loadedAt: number }
  /** Puts in force what counts. */
  follow(newest: NewestFile): Promise<void>
  /** Puts this replica's own in force, as it is alone. */
  goSolo(): void
}

export function createFileOffers({
  link,
  keys,
  clock,
  handoverMs,
  apply,
  onChange,
  onProblem,
}: {
  link: Link
  keys: Keys
  clock: Clock
  handoverMs: number
  /** Puts what a file defines in force. */
  apply: (file: SharedFile) => void
  /** Another file counts now: this replica's own, or another's. */
  onChange: (isOwn: boolean) => void
  onProblem: (problem: string) => void
}): FileOffers {
  let own: { readonly file: SharedFile; readonly offered: OfferedFile; readonly loadedAt: number } | null = null
  let inForce = ''
  /** One that this replica cannot read. */
  let unread = ''
  let following: Promise<void> | null = null

  function put(file: SharedFile, digest: string): void {
    const isOwn = digest === own?.offered.digest
    if (inForce !== '') onChange(isOwn)
    inForce = digest
    apply(file)
  }

  async function take({ digest, hasOwn }: NewestFile): Promise<void> {
    const before = own
    if (own !== null && !hasOwn) {
      const { digest, text } = own.offered
      await link.run(offerScript, [keys.meta, keys.stream, keys.files], [digest, text])
    }
    if (digest === '' || digest === inForce || digest === unread) return
    if (digest === own?.offered.digest) return put(own.file, digest)
    const answer = await link.send(['HGET', keys.files, digest])
    // Whoever loaded it has not told yet, or nothing came back: the next renewal asks again.
    if (!answer.ok || answer.value === null || own !== before) return
    const file = readOfferedFile(String(answer.value), handoverMs)
    if (typeof file !== 'string') return put(file, digest)
    unread = digest
    onProblem(
      `what another replica's configuration defines cannot be read here, so this one's own stays in force: ${file}`,
    )
  }

  return {
    offer(file) {
      const offered = offerFile(file)
      own = { file, offered, loadedAt: clock.now() }
      inForce = offered.digest
      unread = ''
      apply(file)
    },
    own: () => ({ digest: own?.offered.digest ?? '-', loadedAt: own === null ? 0 : clock.toEpoch(own.loadedAt) }),
    follow(newest) {
      following ??= take(newest).finally(() => {
        following = null
      })
      return following
    },
    goSolo() {
      if (own !== null && own.offered.digest !== inForce) put(own.file, own.offered.digest)
    },
  }
}
