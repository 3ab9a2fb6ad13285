import type { Answer, Reply } from '../../redis/connection.ts'

/** One entry of the stream: its number, and its fields by name. */
export type FeedEntry = { readonly number: number; readonly fields: ReadonlyMap<string, string> }

/** The reader of the stream, which holds all changes in the order in which the store accepted them. */
export type Feed = {
  /**
   * Reads from now on, and calls `onEntry` with each entry. Resolves with the reason once an entry is missing, Redis does not answer, or the feed is
   * closed.
   */
  read(onEntry: (entry: FeedEntry) => void): Promise<string>
  /** Returns the number of the last entry that was read. */
  position(): number
  close(): void
}

/** How long Redis waits for a new entry, in milliseconds. Then it sends an empty reply, which shows that it is alive. */
const blockMs = 1000
/** How many entries one reply has at most. Each may carry hundreds of services, and all of them have to arrive before the deadline. */
const batch = 20

/** Creates a reader that starts after the entry `from`. The connection must be its own, because waiting for entries blocks the connection. */
export function createFeed(
  send: (command: readonly string[], deadlineMs: number) => Promise<Answer>,
  stream: string,
  from: number,
): Feed {
  let position = from
  let isClosed = false

  return {
    async read(onEntry) {
      while (!isClosed) {
        const command = ['XREAD', 'COUNT', `${batch}`, 'BLOCK', `${blockMs}`, 'STREAMS', stream, `${position}-0`]
        const answer = await send(command, blockMs + 2000)
        if (isClosed) break
        if (!answer.ok) return answer.failure
        for (const entry of entriesOf(answer.value)) {
          // The store removes old entries, so a reader that is more than one minute behind misses some.
          if (Number(entry.fields.get('before')) !== position && position !== 0)
            return 'this replica missed changes of other replicas'
          position = entry.number
          onEntry(entry)
        }
      }
      return 'the feed is closed'
    },
    position: () => position,
    close() {
      isClosed = true
    },
  }
}

/** Returns the number of the entry in a reply to `XREVRANGE stream + - COUNT 1` or `XRANGE stream - + COUNT 1`; 0 if the stream is empty. */
export function firstOf(reply: Reply): number {
  const [newest] = (reply ?? []) as [[string, Reply]?]
  return newest === undefined ? 0 : numberOf(newest[0])
}

function entriesOf(reply: Reply): FeedEntry[] {
  const [ofStream] = (reply ?? []) as [[string, [string, string[]][]]?]
  return (ofStream?.[1] ?? []).map(([id, flat]) => {
    const fields = new Map<string, string>()
    for (let i = 0; i < flat.length; i += 2) fields.set(flat[i] as string, flat[i + 1] as string)
    return { number: numberOf(id), fields }
  })
}

const numberOf = (id: string) => Number.parseInt(id, 10)
