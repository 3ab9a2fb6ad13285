import type { FastifyBaseLogger } from 'fastify'
import type { Transition } from './domain/transition.ts'
import type { Members } from './monitor/members.ts'
import type { Monitor } from './monitor/monitor.ts'

/** Tells the log what happens to services, as it happens. */
export function logNews(log: FastifyBaseLogger, { monitor, members }: { monitor: Monitor; members: Members }): void {
  monitor.transitions.subscribe((transition) => logTransition(log, monitor, transition))
  members.changed.subscribe((change) => {
    if (change.leftOut > 0)
      log.warn(change, 'a name has more addresses than limits.targets allows: the rest is not checked')
    else log.info(change, 'the addresses of a name changed')
  })
  members.lookUps.subscribe((change) => {
    const { target, failure } = change
    if (failure === null) log.info(change, `the addresses of ${target} can be looked up again`)
    else log.warn(change, `the addresses of ${target} cannot be looked up (${failure}): those known last stay`)
  })
}

/** What everyone wants to know at info: a first answer that is good would fill a start, and a service of one target would say all twice. */
function logTransition(log: FastifyBaseLogger, monitor: Monitor, transition: Transition): void {
  const { service, target, from, to, reason, message } = transition
  if (target === null && !monitor.services.has(service)) {
    log.info({ service }, `${service} is ${message}`)
    return
  }
  const isFirstGood = from === 'unknown' && to === 'up'
  const isSaidTwice = target !== null && monitor.services.get(service)?.targets.length === 1
  const level = isFirstGood || isSaidTwice ? 'debug' : 'info'
  log[level]({ service, target, from, to, reason }, `${target ?? service} is ${to}: ${message}`)
}
