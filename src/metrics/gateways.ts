import { Gauge, Registry as Register } from 'prom-client'
import type { SilentGateways } from '../monitor/discovery/gateways.ts'

/** Returns the series of unresponsive gateways in a register of their own. A gateway's address is a detail, which callers without a token do not see. */
export function createGatewayMetrics({ counts }: Pick<SilentGateways, 'counts'>): Register {
  const register = new Register()
  const silent: Gauge = new Gauge({
    name: 'porthole_gateway_silent_services',
    help: 'Services that cannot be judged because this gateway does not answer ARP or neighbour discovery; absent while it answers.',
    labelNames: ['gateway'],
    registers: [register],
    collect: () => {
      silent.reset()
      for (const [gateway, services] of counts()) silent.set({ gateway }, services)
    },
  })
  return register
}
