import type { Answer, Reply } from '../redis/connection.ts'

/** One entry of the stream: its number, and what it says by name. */
export type FeedEntry = { readonly number: number; readonly fields: ReadonlyMap<string, string> }

/** Everything that changes, in the order in which it counts. */
export type Feed = {
  /** Reads from now on, and calls `onEntry` with each entry, until something is missing or nothing comes back: then it resolves with why. */
  read(onEntry: (entry: FeedEntry) => void): Promise<string>
  /** The newest entry that is known. */
  position(): number
  close(): void
}

/** How long Redis waits for something to say, in milliseconds; then it says nothing, which shows that it lives. */
const blockMs = 1000
/** How many entries come at once. Each may tell of hundreds of services, and all of them have to come before the deadline. */
const portion = 20

/** Reads a stream by a connection of its own, since waiting for entries holds it up. `position` is where to begin: after that entry. */
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
        const command = ['XREAD', 'COUNT', `${portion}`, 'BLOCK', `${blockMs}`, 'STREAMS', stream, `${position}-0`]
        const answer = await send(command, blockMs + 2000)
        if (isClosed) break
        if (!answer.ok) return answer.failure
        for (const entry of entriesOf(answer.value)) {
          // Readers that are much too slow miss what the stream has no room for.
          if (Number(entry.fields.get('before')) !== position && position !== 0)
            return 'some of what other replicas said was missed'
          position = entry.number
          onEntry(entry)
        }
      }
      return 'it is closed'
    },
    position: () => position,
    close() {
      isClosed = true
    },
  }
}

/** The number of the one entry that `XREVRANGE stream + - COUNT 1` or `XRANGE stream - + COUNT 1` answers with; 0 where there is none. */
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
