import type { FastifyBaseLogger } from 'fastify'
import type { Pause } from '../../domain/health/pause.ts'
import type { Transition } from '../../domain/health/transition.ts'
import type { ForeignWord } from '../../domain/service/foreign-settings.ts'
import { quote } from '../../domain/values/quote.ts'
import type { AddressTracking } from '../../monitor/discovery/address-tracking.ts'
import { watchFailingNames } from '../../monitor/discovery/failing-names.ts'
import type { GatewayNews } from '../../monitor/discovery/gateways.ts'
import type { Emitter } from '../../monitor/emitter.ts'
import type { Monitor } from '../../monitor/monitor.ts'
import type { OverloadNews } from '../../monitor/scheduling/overload.ts'
import type { ProberPause } from '../../monitor/scheduling/pause-watch.ts'
import type { ReplicaNews } from '../../replicas/replica-status.ts'
import type { DroppedLines } from '../../runtime/log-output.ts'
import type { UnreadableEntries } from '../../store/unreadable.ts'
import { createLookUpNews } from './lookup-log.ts'

/** Logs transitions, pauses, overload and changes of addresses, gateways and look-ups, as they happen. */
export function logEvents(
  log: FastifyBaseLogger,
  {
    monitor,
    addressTracking,
    found,
    overload,
    gateways,
    paused,
    proberPaused,
  }: {
    monitor: Monitor
    addressTracking: AddressTracking
    found: Emitter<Transition>
    overload: Emitter<OverloadNews>
    gateways: Emitter<GatewayNews>
    paused: Emitter<Pause>
    proberPaused: Emitter<ProberPause>
  },
): void {
  paused.subscribe(({ from, to }) => {
    const seconds = secondsOf(to - from)
    log.warn({ seconds }, `Porthole did not run for ${seconds} s: it was stopped, suspended or starved`)
  })
  proberPaused.subscribe(({ from, to, isOver }) => {
    const seconds = secondsOf(to - from)
    if (isOver) log.warn({ seconds }, `the prober did not run for ${seconds} s, and runs again`)
    else log.error({ seconds }, `the prober has not run for ${seconds} s: no check ends until it does`)
  })
  found.subscribe((transition) => logTransition(log, monitor, transition))
  addressTracking.changed.subscribe((change) => {
    if (change.leftOut > 0)
      log.warn(change, 'a name has more addresses than limits.targets allows: the rest is not checked')
    else log.info(change, 'the addresses of a name changed')
  })
  gateways.subscribe(({ gateway, isSilent, services }) => {
    const count = `${services} ${services === 1 ? 'service' : 'services'}`
    if (isSilent) log.error({ gateway, services }, `the gateway ${gateway} does not answer: ${count} cannot be judged`)
    else log.info({ gateway }, `the gateway ${gateway} no longer keeps services from being judged`)
  })
  overload.subscribe(({ isOverloaded, ...figures }) => {
    if (!isOverloaded) log.info(figures, 'checks begin in time again')
    else
      log.warn(
        { ...figures, ...monitor.stats() },
        'checks begin late: more is due than can be done, so intervals stretch. Lengthen them, raise maxInFlight, or let replicas share the work',
      )
  })
  const logLookUp = createLookUpNews(log)
  addressTracking.lookUps.subscribe(logLookUp)
  watchFailingNames(monitor).subscribe(logLookUp)
}

/** Returns the sentence about lines that are missing in the log. */
export function describeDropped({ lines, cause }: DroppedLines): string {
  return `${lines} ${lines === 1 ? 'line' : 'lines'} of the log were dropped here, because ${cause}`
}

function secondsOf(ms: number): number {
  return Math.round(ms / 100) / 10
}

/**
 * Logs a transition. A change from `unknown` to `up` is logged at debug, because such lines would fill the log at a start. A target is logged at
 * debug if it is the only one of its service, because the line about the service says the same.
 */
function logTransition(log: FastifyBaseLogger, monitor: Monitor, transition: Transition): void {
  const { service, target, from, to, reason, message } = transition
  if (target === null && !monitor.services.has(service)) {
    log.info({ service }, `${service} is ${message}`)
    return
  }
  const isFirstGood = from === 'unknown' && to === 'up'
  const isRedundant = target !== null && monitor.services.get(service)?.targets.length === 1
  const level = isFirstGood || isRedundant ? 'debug' : 'info'
  log[level]({ service, target, from, to, reason }, `${target ?? service} is ${to}: ${message}`)
}

/** The most foreign words that are logged. After that many the other version is so much newer that a list does not help. */
const mostForeignWords = 100

/** Returns a function that logs each word of a newer version once. */
export function createForeignWordLog(log: FastifyBaseLogger): (word: ForeignWord) => void {
  const logged = new Set<string>()
  return ({ kind, word, where }) => {
    const key = `${kind} ${word}`
    if (logged.has(key) || logged.size >= mostForeignWords) return
    logged.add(key)
    const consequence = {
      'ignored setting': 'it is ignored',
      'unread setting': 'services that have it are left to replicas that can read it',
      reason: 'it is reported as other',
      entry: 'it is ignored',
    }[kind]
    const noun = kind.endsWith('setting') ? 'setting' : kind
    log.warn(
      { [noun]: word, where },
      `a newer version of Porthole wrote the ${noun} ${quote(word)}, which this version does not know (${where}): ${consequence}; update this one`,
    )
  }
}

/** Logs each entry of the store that cannot be read, once. */
export function logUnreadable(log: FastifyBaseLogger, { found }: Pick<UnreadableEntries, 'found'>): void {
  found.subscribe(({ place, why }) => {
    log.error({ place }, `${place} cannot be read: ${why}. It is left out, and stays as it is: mend or remove it`)
  })
}

/** Logs the status of this replica among the other replicas. */
export function logReplicaEvents(
  log: FastifyBaseLogger,
  news: Emitter<ReplicaNews>,
  logForeignWord: (word: ForeignWord) => void,
): void {
  news.subscribe((one) => {
    switch (one.kind) {
      case 'linked':
        return log.info(
          { id: one.id, members: one.members },
          'linked: the replicas share the work, and each answers for all',
        )
      case 'solo':
        return log.warn(
          { id: one.id, failure: one.failure },
          `solo: this replica checks everything itself and refuses changes, because it cannot work with the others: ${one.failure}`,
        )
      case 'lost':
        return log.warn(
          { failure: one.failure },
          `the connection to the other replicas is lost, and is tried again: ${one.failure}`,
        )
      case 'members':
        return log.info({ joined: one.joined, left: one.left }, 'replicas joined or left')
      case 'idle':
        return log.error({ failure: one.failure }, 'this replica is stalled: it gives its leases up to other replicas')
      case 'working':
        return log.info('this replica works again')
      case 'unread':
        return log.error(one.problem)
      case 'foreign':
        return logForeignWord(one.word)
      case 'file':
        return log.info(
          one.own
            ? "this replica's own configuration is in force"
            : "another replica's configuration is in force: it was loaded later",
        )
    }
  })
}
