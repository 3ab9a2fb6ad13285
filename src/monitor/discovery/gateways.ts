import type { Outcome } from '../../domain/check/outcome.ts'
import { createEmitter, type Emitter } from '../emitter.ts'
import type { Monitor } from '../monitor.ts'
import type { ServiceState, TargetState } from '../state/state.ts'

/** A gateway that stopped answering ARP or neighbour discovery, or that no longer keeps Porthole from judging any target. */
export type GatewayNews = { readonly gateway: string; readonly isSilent: boolean; readonly services: number }

/** The gateways that do not answer, as the last checks of this process found them. */
export type SilentGateways = {
  /** Returns by gateway how many services have a target that Porthole cannot judge because of it. */
  counts(): ReadonlyMap<string, number>
  /** Emits once when a gateway is found unresponsive, and once more when that is over. */
  readonly news: Emitter<GatewayNews>
}

/** How long services are counted before the news is emitted, in milliseconds. One default interval is long enough to count most services. */
const countMs = 10_000

/** An unresponsive gateway: how many targets of each service are behind it. `timer` runs until the news is emitted. */
type Silence = { readonly targets: Map<ServiceState, number>; timer: NodeJS.Timeout | null }

/**
 * Counts the services behind each unresponsive gateway, so that one log line and one alert name the gateway instead of every service. Stores
 * nothing while all gateways answer.
 */
export function watchGateways({
  monitor,
}: {
  monitor: Pick<Monitor, 'checked' | 'adopted' | 'targetsChanged'>
}): SilentGateways {
  const news = createEmitter<GatewayNews>()
  const silences = new Map<string, Silence>()
  const gatewayOf = new Map<TargetState, string>()

  function add(state: TargetState, gateway: string): void {
    const silence = silences.get(gateway) ?? { targets: new Map(), timer: null }
    if (!silences.has(gateway)) {
      silences.set(gateway, silence)
      silence.timer = setTimeout(() => {
        silence.timer = null
        news.emit({ gateway, isSilent: true, services: silence.targets.size })
      }, countMs).unref()
    }
    gatewayOf.set(state, gateway)
    silence.targets.set(state.serviceState, (silence.targets.get(state.serviceState) ?? 0) + 1)
  }

  function remove(state: TargetState): void {
    const gateway = gatewayOf.get(state)
    const silence = gateway === undefined ? undefined : silences.get(gateway)
    if (gateway === undefined || silence === undefined) return
    gatewayOf.delete(state)
    const left = (silence.targets.get(state.serviceState) ?? 1) - 1
    if (left > 0) silence.targets.set(state.serviceState, left)
    else silence.targets.delete(state.serviceState)
    if (silence.targets.size > 0) return
    silences.delete(gateway)
    if (silence.timer === null) news.emit({ gateway, isSilent: false, services: 0 })
    else clearTimeout(silence.timer)
  }

  /** Applies an outcome. Every check calls this, so it costs one comparison while all gateways answer. */
  function applyOutcome(state: TargetState, { answer, code }: Outcome): void {
    const gateway = answer === 'no-gateway' ? code : null
    if (gateway === null && gatewayOf.size === 0) return
    if (gatewayOf.get(state) === gateway) return
    // When a target moves from one gateway to another, report the end of the first one first.
    remove(state)
    if (gateway !== null && !state.retired) add(state, gateway)
  }

  monitor.checked.subscribe(({ state, outcome }) => applyOutcome(state, outcome))
  // Another replica checks the target now, and may use another gateway.
  monitor.adopted.subscribe(({ state }) => remove(state))
  monitor.targetsChanged.subscribe((changed) => {
    if (gatewayOf.size === 0) return
    for (const state of changed) if (state.retired) remove(state)
  })

  return {
    counts: () => new Map([...silences].map(([gateway, { targets }]) => [gateway, targets.size])),
    news,
  }
}
