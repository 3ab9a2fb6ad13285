import type { ForeignWord } from '../../domain/service/foreign-settings.ts'
import type { Service } from '../../domain/service/service.ts'
import type { Keys } from '../../redis/keys.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Stored } from '../../store/store.ts'
import { createUnreadableEntries, placeIn, type UnreadableEntries } from '../../store/unreadable.ts'
import { offerScript } from '../lease/lease-script.ts'
import type { RedisConnector } from '../redis-connector.ts'
import { mostPacked, packText, unpackText } from './packed-file.ts'
import { offerConfiguration, readOfferedConfiguration, type SharedConfiguration } from './shared-configuration.ts'

/** The configuration file that counts, as the store reports it with each renewal. */
export type NewestFile = {
  /** The digest of the file that was loaded last, of those that live replicas have; empty if there is none. */
  readonly digest: string
  /** Whether the store has the definitions of this replica's own file, in each form that a live replica needs. */
  readonly hasOwn: boolean
  /** Whether a live replica reads definitions only as uncompressed text. */
  readonly needsText: boolean
}

/** Returns whether Redis rejected a command because another program stored a value of another type under its key. */
const isOfOtherKind = (failure: string) => failure.includes('WRONGTYPE')

/** How long until a replica tries again to read a file that it could not read, in milliseconds. */
const retryMs = 10_000

/** The shared configuration: that of the file loaded last, for as long as a live replica has this file. */
export type ConfigurationOffers = {
  /** Offers this replica's own file, which was loaded now. Resolves once this file, or another one that counts instead, is in force. */
  offer(file: SharedConfiguration): Promise<void>
  /** Returns the part of each renewal that concerns this replica's own file. `loadedAt` is in milliseconds since the epoch. */
  own(): { readonly digest: string; readonly loadedAt: number }
  /** Reads the file that counts and starts to apply it. Resolves once the file is read, before it is in force. */
  startApplying(newest: NewestFile): Promise<void>
  /** Applies this replica's own file, because the replica is alone. */
  goSolo(): void
}

export function createConfigurationOffers({
  redisConnector,
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
  redisConnector: RedisConnector
  keys: Keys
  clock: Clock
  handoverMs: number
  /** The services in force. */
  known: ReadonlyMap<string, Service>
  /** Applies the definitions of a file instead of those of the file before. */
  apply: (file: SharedConfiguration) => Promise<void>
  /** Called when another file counts: this replica's own, or that of another replica. */
  onChange: (isOwn: boolean) => void
  /** Called after each answer of the store, once the file that counts is in force here or has proved unreadable. */
  onSettled: () => void
  onProblem: (problem: string) => void
  /** Called for a setting in another replica's file that this version does not know. */
  onForeign: (word: ForeignWord) => void
  /** Receives the files that cannot be read. */
  unreadable?: UnreadableEntries
}): ConfigurationOffers {
  let own: { readonly file: SharedConfiguration; readonly digest: string; readonly loadedAt: number } | null = null
  let digestInForce = ''
  /** The digest of the file that counts, as the store last reported it. */
  let newestDigest = ''
  /** The last file that this replica could not read, and when it tried. The replica tries again, because an operator may repair the entry. */
  let unread = { digest: '', at: 0 }
  let readingNewest: Promise<void> | null = null
  let applying: Promise<void> = Promise.resolve()

  function putInForce(file: SharedConfiguration, digest: string): void {
    const isOwn = digest === own?.digest
    if (digestInForce !== '') onChange(isOwn)
    digestInForce = digest
    applying = apply(file)
  }

  /** Reads the definitions that another replica offers. Returns null if the store does not have them or does not answer. */
  async function read(digest: string): Promise<Stored<string> | null> {
    const length = await redisConnector.send(['HSTRLEN', keys.packed, digest])
    if (!length.ok) return isOfOtherKind(length.failure) ? { ok: false, failure: length.failure } : null
    if (Number(length.value) > mostPacked) return { ok: false, failure: `it has more than ${mostPacked} characters` }
    // A replica of an older version stores only the text.
    const isText = length.value === 0
    const answer = await redisConnector.bulk.send(['HGET', isText ? keys.files : keys.packed, digest])
    if (!answer.ok) return isOfOtherKind(answer.failure) ? { ok: false, failure: answer.failure } : null
    if (answer.value === null) return null
    return isText ? { ok: true, value: String(answer.value) } : unpackText(String(answer.value))
  }

  async function applyNewest({ digest, hasOwn, needsText }: NewestFile): Promise<void> {
    const before = own
    newestDigest = digest
    if (own !== null && !hasOwn) {
      const { digest, text } = await offerConfiguration(own.file)
      const input = [digest, await packText(text), needsText ? text : '']
      await redisConnector.bulk.run(offerScript, [keys.meta, keys.stream, keys.packed, keys.files], input)
    }
    const isOutdated = () => own !== before || newestDigest !== digest
    if (isOutdated() || digest === '' || digest === digestInForce) return
    const isKnownAsUnread = digest === unread.digest
    if (isKnownAsUnread && clock.now() - unread.at < retryMs) return
    if (digest === own?.digest) return putInForce(own.file, digest)
    const text = await read(digest)
    // The replica that loaded the file has not stored it yet, or Redis did not answer. The next renewal tries again.
    if (text === null || isOutdated()) return
    const file = text.ok ? await readOfferedConfiguration(text.value, handoverMs, known, onForeign) : text.failure
    if (isOutdated()) return
    unreadable.replace('file', typeof file === 'string' ? [{ place: placeIn(keys.files, digest), why: file }] : [])
    if (typeof file !== 'string') return putInForce(file, digest)
    unread = { digest, at: clock.now() }
    if (isKnownAsUnread) return
    onProblem(`this replica cannot read another replica's configuration, and keeps the one in force: ${file}`)
  }

  const isSettled = () => newestDigest !== '' && (newestDigest === digestInForce || newestDigest === unread.digest)

  async function settle(): Promise<void> {
    const before = applying
    await before
    // While a newer file is being applied, the call for that file reports.
    if (isSettled() && applying === before) onSettled()
  }

  return {
    async offer(file) {
      const loadedAt = clock.now()
      const { digest } = await offerConfiguration(file)
      own = { file, digest, loadedAt }
      digestInForce = digest
      unread = { digest: '', at: 0 }
      applying = apply(file)
      await applying
    },
    own: () => ({ digest: own?.digest ?? '-', loadedAt: own === null ? 0 : clock.toEpoch(own.loadedAt) }),
    startApplying(newest) {
      readingNewest ??= applyNewest(newest).finally(() => {
        readingNewest = null
        void settle()
      })
      return readingNewest
    },
    goSolo() {
      // A file of another replica that is still being read is discarded too.
      newestDigest = ''
      if (own !== null && own.digest !== digestInForce) putInForce(own.file, own.digest)
    },
  }
}
