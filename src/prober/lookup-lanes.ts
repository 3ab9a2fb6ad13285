/**
 * What the last look-up of a name lets expect of the next one. `unresponsive`: it held a thread for long and got no answer. `new`: there was
 * none. `responsive`: any other.
 */
export type Expectation = 'responsive' | 'new' | 'unresponsive'

/** A look-up that waits for a thread or has one. */
export type LookUp = {
  readonly host: string
  readonly expectation: Expectation
}

/** The look-ups of names, and which of them runs next. */
export type LookUpLanes<One extends LookUp> = {
  /** Lets a look-up wait for its turn. */
  add(lookUp: One): void
  /** Takes a look-up out that waits. Returns false where it does not wait, because it runs or has ended. */
  remove(lookUp: One): boolean
  /** Takes the look-up whose turn it is, which runs from then on; undefined where none waits that may run. */
  next(): One | undefined
  /** Gives the thread of a look-up back. */
  end(lookUp: One): void
  clear(): void
}

/** How much of the threads may be held by look-ups of unresponsive names, and by those together with look-ups of new names. */
const unresponsiveShare = 0.5
const unprovenShare = 0.75

const expectations = ['responsive', 'new', 'unresponsive'] as const

/**
 * Shares `threads` threads between look-ups, because one that no resolver answers holds its thread for seconds.
 * The three lanes take turns, and within a lane the parent domains do (`internal` for `db.internal`), because names of one domain mostly
 * have one name server. A domain gets another thread only while it has fewer than there are free ones: however many names of it hang, they
 * leave half of the threads free, and those of two domains a third (the dynamic thresholds of Choudhury and Hahne, 1998).
 */
export function createLookUpLanes<One extends LookUp>(threads: number): LookUpLanes<One> {
  const mostUnresponsive = Math.max(1, Math.floor(threads * unresponsiveShare))
  const mostUnproven = Math.ceil(threads * unprovenShare)
  /** By parent domain; the first domain has the next turn. */
  const waiting: Record<Expectation, Map<string, Set<One>>> = {
    responsive: new Map(),
    new: new Map(),
    unresponsive: new Map(),
  }
  const running: Record<Expectation, number> = { responsive: 0, new: 0, unresponsive: 0 }
  const runningOf = new Map<string, number>()
  let turn = 0

  const countFree = () => threads - running.responsive - running.new - running.unresponsive

  function mayRun(lane: Expectation): boolean {
    if (countFree() <= 0) return false
    if (lane === 'responsive') return true
    const unproven = running.new + running.unresponsive
    return unproven < mostUnproven && (lane === 'new' || running.unresponsive < mostUnresponsive)
  }

  function takeFrom(lane: Map<string, Set<One>>): One | undefined {
    const free = countFree()
    // At most `threads` domains are passed over, because each of those has a thread.
    for (const [domain, lookUps] of lane) {
      const count = runningOf.get(domain) ?? 0
      if (count >= free) continue
      const [first] = lookUps
      if (first === undefined) continue
      lookUps.delete(first)
      lane.delete(domain)
      if (lookUps.size > 0) lane.set(domain, lookUps)
      running[first.expectation]++
      runningOf.set(domain, count + 1)
      return first
    }
    return undefined
  }

  return {
    add(lookUp) {
      const lane = waiting[lookUp.expectation]
      const domain = parentDomain(lookUp.host)
      const lookUps = lane.get(domain) ?? new Set()
      lane.set(domain, lookUps.add(lookUp))
    },
    remove(lookUp) {
      const lane = waiting[lookUp.expectation]
      const domain = parentDomain(lookUp.host)
      const lookUps = lane.get(domain)
      const hasWaited = lookUps?.delete(lookUp) ?? false
      if (lookUps?.size === 0) lane.delete(domain)
      return hasWaited
    },
    next() {
      for (let n = 0; n < expectations.length; n++) {
        const place = (turn + n) % expectations.length
        const lane = expectations[place] as Expectation
        const lookUp = mayRun(lane) ? takeFrom(waiting[lane]) : undefined
        if (lookUp === undefined) continue
        turn = place + 1
        return lookUp
      }
      return undefined
    },
    end(lookUp) {
      running[lookUp.expectation]--
      const domain = parentDomain(lookUp.host)
      const count = (runningOf.get(domain) ?? 0) - 1
      if (count > 0) runningOf.set(domain, count)
      else runningOf.delete(domain)
    },
    clear() {
      for (const lane of expectations) waiting[lane].clear()
    },
  }
}

/** Returns the name without its first label; the empty text for a single label, whose domain is in the system's search list. */
function parentDomain(host: string): string {
  const dot = host.indexOf('.')
  return dot === -1 ? '' : host.slice(dot + 1)
}
