import type { Clock } from '../clock.ts'
import type { ForeignWord } from '../domain/foreign-settings.ts'
import type { Service } from '../domain/service.ts'
import type { Keys } from '../redis/keys.ts'
import type { Stored } from '../store/store.ts'
import { createUnreadableEntries, placeIn, type UnreadableEntries } from '../store/unreadable.ts'
import { offerScript } from './lease-script.ts'
import type { Link } from './link.ts'
import { mostPacked, packText, unpackText } from './packed-file.ts'
import { offerFile, readOfferedFile, type SharedFile } from './shared-file.ts'

/** Which file counts, as the store says. */
export type NewestFile = {
  /** Of the file that was loaded last, of those that live replicas have; empty while none has. */
  readonly digest: string
  /** The store has what this replica's own file defines, in each form that a live replica needs. */
  readonly hasOwn: boolean
  /** A live replica reads what a file defines as text alone. */
  readonly needsText: boolean
}

/** Tells whether Redis refused a command because its key holds a value of another type, as something else wrote it. */
const isOfOtherKind = (failure: string) => failure.includes('WRONGTYPE')

/** How long until a file that cannot be read is read again, in milliseconds. */
const retryMs = 10_000

/** What the configuration files of all replicas define: the one loaded last counts, for as long as a live replica has it. */
export type FileOffers = {
  /** This replica's own was loaded now. Resolves once it is in force, or another that counts instead. */
  offer(file: SharedFile): Promise<void>
  /** What goes along with each renewal. */
  own(): { readonly digest: string; readonly loadedAt: number }
  /** Has put in force what counts. Resolves once that is known here. */
  follow(newest: NewestFile): Promise<void>
  /** Puts this replica's own in force, as it is alone. */
  goSolo(): void
}

export function createFileOffers({
  link,
  keys,
  clock,
  handoverMs,
  known,
  apply,
  onChange,
  onSettled,
  onProblem,
  onForeign,
  unreadable = createUnreadableEntries(),
}: {
  link: Link
  keys: Keys
  clock: Clock
  handoverMs: number
  /** The services in force. */
  known: ReadonlyMap<string, Service>
  /** Puts what a file defines in force, instead of what it was given before. */
  apply: (file: SharedFile) => Promise<void>
  /** Another file counts now: this replica's own, or another's. */
  onChange: (isOwn: boolean) => void
  /** The file that counts, as the store said last, is in force here, or cannot be read here. Called after every such answer. */
  onSettled: () => void
  onProblem: (problem: string) => void
  /** Another replica's file has a setting that this version does not know. */
  onForeign: (word: ForeignWord) => void
  /** Is told of files that cannot be read. */
  unreadable?: UnreadableEntries
}): FileOffers {
  let own: { readonly file: SharedFile; readonly digest: string; readonly loadedAt: number } | null = null
  let inForce = ''
  /** What counts, as it was heard last. */
  let heard = ''
  /** One that this replica cannot read, and when it tried last: somebody may mend it. */
  let unread = { digest: '', at: 0 }
  let following: Promise<void> | null = null
  let applying: Promise<void> = Promise.resolve()

  function put(file: SharedFile, digest: string): void {
    const isOwn = digest === own?.digest
    if (inForce !== '') onChange(isOwn)
    inForce = digest
    applying = apply(file)
  }

  /** Reads what another replica offers; null where it is not there, or nothing came back. */
  async function read(digest: string): Promise<Stored<string> | null> {
    const length = await link.send(['HSTRLEN', keys.packed, digest])
    if (!length.ok) return isOfOtherKind(length.failure) ? { ok: false, failure: length.failure } : null
    if (Number(length.value) > mostPacked) return { ok: false, failure: `it has more than ${mostPacked} characters` }
    // An older version offers the text alone.
    const isText = length.value === 0
    const answer = await link.bulk.send(['HGET', isText ? keys.files : keys.packed, digest])
    if (!answer.ok) return isOfOtherKind(answer.failure) ? { ok: false, failure: answer.failure } : null
    if (answer.value === null) return null
    return isText ? { ok: true, value: String(answer.value) } : unpackText(String(answer.value))
  }

  async function take({ digest, hasOwn, needsText }: NewestFile): Promise<void> {
    const before = own
    heard = digest
    if (own !== null && !hasOwn) {
      const { digest, text } = await offerFile(own.file)
      const input = [digest, await packText(text), needsText ? text : '']
      await link.bulk.run(offerScript, [keys.meta, keys.stream, keys.packed, keys.files], input)
    }
    const isOutdated = () => own !== before || heard !== digest
    if (isOutdated() || digest === '' || digest === inForce) return
    const isKnownAsUnread = digest === unread.digest
    if (isKnownAsUnread && clock.now() - unread.at < retryMs) return
    if (digest === own?.digest) return put(own.file, digest)
    const text = await read(digest)
    // The replica that loaded it has not told yet, or nothing came back: the next renewal asks again.
    if (text === null || isOutdated()) return
    const file = text.ok ? await readOfferedFile(text.value, handoverMs, known, onForeign) : text.failure
    if (isOutdated()) return
    unreadable.replace('file', typeof file === 'string' ? [{ place: placeIn(keys.files, digest), why: file }] : [])
    if (typeof file !== 'string') return put(file, digest)
    unread = { digest, at: clock.now() }
    if (isKnownAsUnread) return
    onProblem(
      `what another replica's configuration defines cannot be read here, so this one's own stays in force: ${file}`,
    )
  }

  const isSettled = () => heard !== '' && (heard === inForce || heard === unread.digest)

  async function settle(): Promise<void> {
    const before = applying
    await before
    // While a newer file is applied, that one reports.
    if (isSettled() && applying === before) onSettled()
  }

  return {
    async offer(file) {
      const loadedAt = clock.now()
      const { digest } = await offerFile(file)
      own = { file, digest, loadedAt }
      inForce = digest
      unread = { digest: '', at: 0 }
      applying = apply(file)
      await applying
    },
    own: () => ({ digest: own?.digest ?? '-', loadedAt: own === null ? 0 : clock.toEpoch(own.loadedAt) }),
    follow(newest) {
      following ??= take(newest).finally(() => {
        following = null
        void settle()
      })
      return following
    },
    goSolo() {
      // Nor does what is being read of another's count any more.
      heard = ''
      if (own !== null && own.digest !== inForce) put(own.file, own.digest)
    },
  }
}
