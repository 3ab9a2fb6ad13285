/** An answer of this many bytes or more is long. A shorter one is sent at once and never refused. */
export const longFrom = 65_536

/** The kinds of long answers. Each has a cap of its own, so that readers of one kind cannot use up what readers of another need. */
export const answerKinds = ['health', 'service', 'list', 'page', 'metrics'] as const
export type AnswerKind = (typeof answerKinds)[number]

/** Returns the kind of the answers of a route, by its path. */
export function kindOf(path: string): AnswerKind {
  if (path === '/health') return 'health'
  if (path.startsWith('/health/')) return 'service'
  if (path === '/metrics') return 'metrics'
  return path.startsWith('/v1/') ? 'list' : 'page'
}

/** The limits of one kind: how many long answers may be under way, and how many bytes they may hold together. */
export type Cap = { readonly answers: number; readonly bytes: number }

/** Admits six scrapes of 100,000 targets at once, each of which holds 10 MB of labels, and fifty scrapes of 10,000 targets. */
export const defaultCap: Cap = { answers: 50, bytes: 64 * 1024 * 1024 }

/** The share of the connections that long answers of all kinds may use together. The rest stays free for probes when clients read slowly. */
const answersShare = 1 / 8

/** Returns the cap of each kind for a maximum of open connections. */
export function capsFor(maxConnections: number): Record<AnswerKind, Cap> {
  const share = Math.floor((maxConnections * answersShare) / answerKinds.length)
  const cap: Cap = { ...defaultCap, answers: Math.max(1, Math.min(defaultCap.answers, share)) }
  return { health: cap, service: cap, list: cap, page: cap, metrics: cap }
}

/** The memory that an answer holds while it is sent. Answers with the same `key` share it, and it counts once. */
export type Held = { readonly key: object; readonly bytes: number }

/** Counts the answers under way of one kind, and refuses more than the cap allows. */
export type AnswerCap = {
  /** Counts an answer and returns a function that ends it, to be called once. Null when the cap allows no more. */
  admit(held: Held): (() => void) | null
  /** Returns how many answers are under way now, and how many bytes they hold. */
  load(): { readonly answers: number; readonly bytes: number }
}

/** Creates the cap of one kind. Any answer is admitted while none is under way, however large. Otherwise a larger one could never be sent. */
export function createAnswerCap(cap: Cap): AnswerCap {
  const held = new Map<object, { readonly bytes: number; answers: number }>()
  let answers = 0
  let bytes = 0
  return {
    admit({ key, bytes: ofAnswer }) {
      const shared = held.get(key)
      const added = shared === undefined ? ofAnswer : 0
      if (answers >= cap.answers || (answers > 0 && bytes + added > cap.bytes)) return null
      const entry = shared ?? { bytes: ofAnswer, answers: 0 }
      held.set(key, entry)
      entry.answers++
      answers++
      bytes += added
      return () => {
        answers--
        entry.answers--
        if (entry.answers > 0) return
        held.delete(key)
        bytes -= entry.bytes
      }
    },
    load: () => ({ answers, bytes }),
  }
}
