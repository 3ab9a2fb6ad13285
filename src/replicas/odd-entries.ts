import type { Reply } from '../redis/connection.ts'
import { placeIn, type UnreadableEntry } from '../store/unreadable.ts'
import { firstOf } from './feed.ts'
import { isUnreadable } from './memory.ts'
import { readKeptField } from './publication.ts'

/** An entry of the stream that cannot be read, until the stream has it no longer. `why` is a clause. */
export function streamEntry(stream: string, entry: number, why: string): UnreadableEntry {
  const command = ['XRANGE', stream, `${entry}`, `${entry}`]
  return { place: placeIn(stream, String(entry)), why, probe: { command, isSame: (reply) => firstOf(reply) === entry } }
}

/** What is remembered in one field of a service's health and cannot be read, until another value stands there. */
export function healthEntry(key: string, field: string): UnreadableEntry {
  const isSame = (reply: Reply) => typeof reply === 'string' && isUnreadable(field, readKeptField(reply, 0).memory)
  const probe = { command: ['HGET', key, field], isSame }
  return { place: placeIn(key, field), why: 'no replica writes such a health', probe }
}
