/**
 * The expectation for the next look-up of a name. `new`: there was no look-up before. `unresponsive`: the last look-up held a thread for
 * 500 ms or more and got no answer. `responsive`: any other.
 */
export type Expectation = 'responsive' | 'new' | 'unresponsive'

/** A look-up that waits for a thread or has one. */
export type LookUp = {
  readonly host: string
  readonly expectation: Expectation
}

/** The queue of look-ups, which decides which one runs next. */
export type LookUpLanes<One extends LookUp> = {
  /** Adds a look-up to the queue. */
  add(lookUp: One): void
  /** Removes a look-up that waits. Returns false if it does not wait, because it runs or has ended. */
  remove(lookUp: One): boolean
  /** Removes and returns the look-up that runs next, and counts it as running; undefined when no waiting look-up may run. */
  next(): One | undefined
  /** Frees the thread of a look-up. `isUnresponsive` says that the look-up held its thread long and got no answer. */
  end(lookUp: One, isUnresponsive: boolean): void
  clear(): void
}

/** The largest share of the threads for look-ups of unresponsive names. */
const unresponsiveShare = 0.5
/** The largest share for look-ups of unresponsive and new names together. */
const unprovenShare = 0.75
/** The largest share for unresponsive and new names when the next look-up is a new name of an answering domain. Such look-ups mostly end at once. */
const shareWithAnswering = 0.875
/** How many answering domains are remembered. */
const mostDomains = 10_000

const expectations = ['responsive', 'new', 'unresponsive'] as const

/**
 * Creates the queue that shares `threads` threads between look-ups. A look-up that no resolver answers holds its thread for seconds.
 * The three lanes take turns. Within a lane the parent domains take turns (`internal` for `db.internal`), because names of one domain mostly
 * have one name server. A domain gets another thread only while it has fewer threads than are free. So the hanging names of one domain
 * leave half of the threads free, and those of two domains a third (the dynamic thresholds of Choudhury and Hahne, 1998).
 * New names of a domain whose last look-up was answered go before other new names. Otherwise, at a start without a name server, names from
 * /etc/hosts would wait behind hundreds of domains that hang.
 */
export function createLookUpLanes<One extends LookUp>(threads: number): LookUpLanes<One> {
  const mostUnresponsive = Math.max(1, Math.floor(threads * unresponsiveShare))
  const mostUnproven = Math.ceil(threads * unprovenShare)
  const mostWithAnswering = Math.ceil(threads * shareWithAnswering)
  /** The look-ups that wait, by parent domain. The first domain has the next turn. */
  const waiting: Record<Expectation, Map<string, Set<One>>> = {
    responsive: new Map(),
    new: new Map(),
    unresponsive: new Map(),
  }
  /** The waiting look-ups of new names whose domain is in `answering`. */
  const newOfAnswering = new Map<string, Set<One>>()
  /** Domains whose last look-up was answered, the oldest first. */
  const answering = new Set<string>()
  const running: Record<Expectation, number> = { responsive: 0, new: 0, unresponsive: 0 }
  const runningOf = new Map<string, number>()
  let turn = 0

  const countFree = () => threads - running.responsive - running.new - running.unresponsive

  function nextOf(lane: Expectation): One | undefined {
    if (lane === 'responsive') return takeFrom(waiting.responsive)
    const unproven = running.new + running.unresponsive
    const first = lane === 'new' && unproven < mostWithAnswering ? takeFrom(newOfAnswering) : undefined
    if (first !== undefined || unproven >= mostUnproven) return first
    return lane === 'new' || running.unresponsive < mostUnresponsive ? takeFrom(waiting[lane]) : undefined
  }

  function recordAnswer(domain: string): void {
    answering.delete(domain)
    answering.add(domain)
    const [oldest] = answering
    if (answering.size > mostDomains && oldest !== undefined) answering.delete(oldest)
    const lookUps = waiting.new.get(domain)
    if (lookUps === undefined) return
    waiting.new.delete(domain)
    const others = newOfAnswering.get(domain)
    // A domain may have thousands of waiting look-ups, so each look-up moves once and the others stay in their set.
    if (others === undefined) newOfAnswering.set(domain, lookUps)
    else for (const lookUp of lookUps) others.add(lookUp)
  }

  function takeFrom(lane: Map<string, Set<One>>): One | undefined {
    const free = countFree()
    // Otherwise each new look-up would walk all waiting domains in vain.
    if (free === 0) return undefined
    // While a thread is free, the loop skips at most `threads` domains, because each skipped domain has a thread.
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
      const domain = parentDomain(lookUp.host)
      const isOfAnswering = lookUp.expectation === 'new' && answering.has(domain)
      const lane = isOfAnswering ? newOfAnswering : waiting[lookUp.expectation]
      const lookUps = lane.get(domain) ?? new Set()
      lane.set(domain, lookUps.add(lookUp))
    },
    remove(lookUp) {
      const domain = parentDomain(lookUp.host)
      for (const lane of [waiting[lookUp.expectation], newOfAnswering]) {
        const lookUps = lane.get(domain)
        if (lookUps === undefined || !lookUps.delete(lookUp)) continue
        if (lookUps.size === 0) lane.delete(domain)
        return true
      }
      return false
    },
    next() {
      for (let n = 0; n < expectations.length; n++) {
        const place = (turn + n) % expectations.length
        const lane = expectations[place] as Expectation
        const lookUp = nextOf(lane)
        if (lookUp === undefined) continue
        turn = place + 1
        return lookUp
      }
      return undefined
    },
    end(lookUp, isUnresponsive) {
      running[lookUp.expectation]--
      const domain = parentDomain(lookUp.host)
      if (isUnresponsive) answering.delete(domain)
      else recordAnswer(domain)
      const count = (runningOf.get(domain) ?? 0) - 1
      if (count > 0) runningOf.set(domain, count)
      else runningOf.delete(domain)
    },
    clear() {
      for (const lane of expectations) waiting[lane].clear()
      newOfAnswering.clear()
    },
  }
}

/** Returns the name without its first label; the empty text for a single label, because the search list of the system adds its domain. */
function parentDomain(host: string): string {
  const dot = host.indexOf('.')
  return dot === -1 ? '' : host.slice(dot + 1)
}
