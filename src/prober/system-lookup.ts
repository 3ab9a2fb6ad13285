import { lookup } from 'node:dns/promises'
import { codeOf, reasonOfLookup } from './errno.ts'

/** Finds the literal IPs of a name; rejects with an error that carries a `code`. */
export type Lookup = (host: string) => Promise<readonly string[]>

/** Asks for the addresses of one family, or of both (0); rejects likewise. */
export type FamilyLookup = (host: string, family: 0 | 4 | 6) => Promise<readonly string[]>

/**
 * Asks the system (getaddrinfo: /etc/hosts, search domains, whatever the machine is set up with), in the order the system prefers
 * (RFC 6724).
 */
const askSystem: FamilyLookup = async (host, family) => {
  const found = await lookup(host, { all: true, order: 'verbatim', family })
  return found.map(({ address }) => address)
}

/**
 * Looks both families up together. Where that finds no address, it asks for each alone, because glibc says "no address" also where the name
 * server failed for one family and has no address of the other. So a name is called missing only when both families say so. One after the
 * other: a look-up holds one thread.
 */
export function lookUpFamilies(ask: FamilyLookup): Lookup {
  return async (host) => {
    const together = await settle(ask, host, 0)
    if (!('error' in together)) return together.ips
    if (reasonOfLookup(codeOf(together.error)) !== 'dns') throw together.error
    const alone = [await settle(ask, host, 4), await settle(ask, host, 6)]
    const ips = alone.flatMap((found) => ('ips' in found ? found.ips : []))
    const failed = alone.find((found) => 'error' in found && reasonOfLookup(codeOf(found.error)) !== 'dns')
    if (ips.length === 0 && failed !== undefined && 'error' in failed) throw failed.error
    return ips
  }
}

type Settled = { readonly ips: readonly string[] } | { readonly error: unknown }

async function settle(ask: FamilyLookup, host: string, family: 0 | 4 | 6): Promise<Settled> {
  try {
    return { ips: await ask(host, family) }
  } catch (error) {
    return { error }
  }
}

export const systemLookup: Lookup = lookUpFamilies(askSystem)
