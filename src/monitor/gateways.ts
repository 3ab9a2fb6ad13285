import type { Outcome } from '../domain/outcome.ts'
import type { Monitor } from './monitor.ts'
import { createSignal, type Signal } from './signal.ts'
import type { WatchedService, WatchedTarget } from './watch.ts'

/** A gateway that stopped answering ARP or neighbour discovery, or that no longer keeps Porthole from judging any target. */
export type GatewayNews = { readonly gateway: string; readonly isSilent: boolean; readonly services: number }

/** The gateways that do not answer, as the last checks of this process found them. */
export type SilentGateways = {
  /** Returns by gateway how many services have a target that Porthole cannot judge because of it. */
  counts(): ReadonlyMap<string, number>
  /** Emits once when a gateway is found unresponsive, and once more when that is over. */
  readonly news: Signal<GatewayNews>
}

/** How long services are counted before the news is emitted, in milliseconds. One default interval is long enough to count most services. */
const countMs = 10_000

/** An unresponsive gateway: how many targets of each service are behind it. `timer` runs until the news is emitted. */
type Silence = { readonly targets: Map<WatchedService, number>; timer: NodeJS.Timeout | null }

/**
 * Counts the services behind each unresponsive gateway, so that one log line and one alert name the gateway instead of every service. Stores
 * nothing while all gateways answer.
 */
export function watchGateways({
  monitor,
}: {
  monitor: Pick<Monitor, 'checked' | 'adopted' | 'watching'>
}): SilentGateways {
  const news = createSignal<GatewayNews>()
  const silences = new Map<string, Silence>()
  const gatewayOf = new Map<WatchedTarget, string>()

  function add(watched: WatchedTarget, gateway: string): void {
    const silence = silences.get(gateway) ?? { targets: new Map(), timer: null }
    if (!silences.has(gateway)) {
      silences.set(gateway, silence)
      silence.timer = setTimeout(() => {
        silence.timer = null
        news.emit({ gateway, isSilent: true, services: silence.targets.size })
      }, countMs).unref()
    }
    gatewayOf.set(watched, gateway)
    silence.targets.set(watched.watchedService, (silence.targets.get(watched.watchedService) ?? 0) + 1)
  }

  function remove(watched: WatchedTarget): void {
    const gateway = gatewayOf.get(watched)
    const silence = gateway === undefined ? undefined : silences.get(gateway)
    if (gateway === undefined || silence === undefined) return
    gatewayOf.delete(watched)
    const left = (silence.targets.get(watched.watchedService) ?? 1) - 1
    if (left > 0) silence.targets.set(watched.watchedService, left)
    else silence.targets.delete(watched.watchedService)
    if (silence.targets.size > 0) return
    silences.delete(gateway)
    if (silence.timer === null) news.emit({ gateway, isSilent: false, services: 0 })
    else clearTimeout(silence.timer)
  }

  /** Applies an outcome. Every check calls this, so it costs one comparison while all gateways answer. */
  function take(watched: WatchedTarget, { answer, code }: Outcome): void {
    const gateway = answer === 'no-gateway' ? code : null
    if (gateway === null && gatewayOf.size === 0) return
    if (gatewayOf.get(watched) === gateway) return
    // When a target moves from one gateway to another, report the end of the first one first.
    remove(watched)
    if (gateway !== null && !watched.retired) add(watched, gateway)
  }

  monitor.checked.subscribe(({ watched, outcome }) => take(watched, outcome))
  // Another replica checks the target now, and may use another gateway.
  monitor.adopted.subscribe(({ watched }) => remove(watched))
  monitor.watching.subscribe((changed) => {
    if (gatewayOf.size === 0) return
    for (const watched of changed) if (watched.retired) remove(watched)
  })

  return {
    counts: () => new Map([...silences].map(([gateway, { targets }]) => [gateway, targets.size])),
    news,
  }
}
