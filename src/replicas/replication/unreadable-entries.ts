import type { Reply } from '../../redis/connection.ts'
import { placeIn, type UnreadableEntry } from '../../store/unreadable.ts'
import { firstOf } from './change-feed.ts'
import { isUnreadable } from './health-codec.ts'
import { readStoredField } from './publish-protocol.ts'

/** Describes an entry of the stream that cannot be read. `why` is a clause. The description counts until the stream no longer has the entry. */
export function streamEntry(stream: string, entry: number, why: string): UnreadableEntry {
  const command = ['XRANGE', stream, `${entry}`, `${entry}`]
  return { place: placeIn(stream, String(entry)), why, probe: { command, isSame: (reply) => firstOf(reply) === entry } }
}

/** Describes a field of a service's health that cannot be read. The description counts until the field has another value. */
export function healthEntry(key: string, field: string): UnreadableEntry {
  const isSame = (reply: Reply) => typeof reply === 'string' && isUnreadable(field, readStoredField(reply, 0).snapshot)
  const probe = { command: ['HGET', key, field], isSame }
  return { place: placeIn(key, field), why: 'no replica writes such a value', probe }
}
