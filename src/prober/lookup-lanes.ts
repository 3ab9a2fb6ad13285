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
  /** Gives the thread of a look-up back; `isUnresponsive` as for a name. */
  end(lookUp: One, isUnresponsive: boolean): void
  clear(): void
}

/** How much of the threads may be held by look-ups of unresponsive names, */
const unresponsiveShare = 0.5
/** by those together with look-ups of new names, */
const unprovenShare = 0.75
/** and together with look-ups of new names whose domain answered last: they mostly end at once. */
const hopefulShare = 0.875
/** How many domains are remembered that answered last. */
const mostDomains = 10_000

const expectations = ['responsive', 'new', 'unresponsive'] as const

/**
 * Shares `threads` threads between look-ups, because one that no resolver answers holds its thread for seconds.
 * The three lanes take turns, and within a lane the parent domains do (`internal` for `db.internal`), because names of one domain mostly
 * have one name server. A domain gets another thread only while it has fewer than there are free ones: however many names of it hang, they
 * leave half of the threads free, and those of two domains a third (the dynamic thresholds of Choudhury and Hahne, 1998).
 * Among new names those of a domain go first whose last look-up was answered. Otherwise, at a start without a name server, names that
 * /etc/hosts has would wait behind hundreds of domains, each of which hangs.
 */
export function createLookUpLanes<One extends LookUp>(threads: number): LookUpLanes<One> {
  const mostUnresponsive = Math.max(1, Math.floor(threads * unresponsiveShare))
  const mostUnproven = Math.ceil(threads * unprovenShare)
  const mostHopeful = Math.ceil(threads * hopefulShare)
  /** By parent domain; the first domain has the next turn. */
  const waiting: Record<Expectation, Map<string, Set<One>>> = {
    responsive: new Map(),
    new: new Map(),
    unresponsive: new Map(),
  }
  /** New names of domains in `answering`. */
  const hopeful = new Map<string, Set<One>>()
  /** Domains whose last look-up was answered, the oldest first. */
  const answering = new Set<string>()
  const running: Record<Expectation, number> = { responsive: 0, new: 0, unresponsive: 0 }
  const runningOf = new Map<string, number>()
  let turn = 0

  const countFree = () => threads - running.responsive - running.new - running.unresponsive

  function nextOf(lane: Expectation): One | undefined {
    if (lane === 'responsive') return takeFrom(waiting.responsive)
    const unproven = running.new + running.unresponsive
    const first = lane === 'new' && unproven < mostHopeful ? takeFrom(hopeful) : undefined
    if (first !== undefined || unproven >= mostUnproven) return first
    return lane === 'new' || running.unresponsive < mostUnresponsive ? takeFrom(waiting[lane]) : undefined
  }

  function noteAnswer(domain: string): void {
    answering.delete(domain)
    answering.add(domain)
    const [oldest] = answering
    if (answering.size > mostDomains && oldest !== undefined) answering.delete(oldest)
    const lookUps = waiting.new.get(domain)
    if (lookUps === undefined) return
    waiting.new.delete(domain)
    hopeful.set(domain, new Set([...(hopeful.get(domain) ?? []), ...lookUps]))
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
      const domain = parentDomain(lookUp.host)
      const isHopeful = lookUp.expectation === 'new' && answering.has(domain)
      const lane = isHopeful ? hopeful : waiting[lookUp.expectation]
      const lookUps = lane.get(domain) ?? new Set()
      lane.set(domain, lookUps.add(lookUp))
    },
    remove(lookUp) {
      const domain = parentDomain(lookUp.host)
      for (const lane of [waiting[lookUp.expectation], hopeful]) {
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
      else noteAnswer(domain)
      const count = (runningOf.get(domain) ?? 0) - 1
      if (count > 0) runningOf.set(domain, count)
      else runningOf.delete(domain)
    },
    clear() {
      for (const lane of expectations) waiting[lane].clear()
      hopeful.clear()
    },
  }
}

/** Returns the name without its first label; the empty text for a single label, whose domain is in the system's search list. */
function parentDomain(host: string): string {
  const dot = host.indexOf('.')
  return dot === -1 ? '' : host.slice(dot + 1)
}
