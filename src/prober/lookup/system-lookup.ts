import { lookup } from 'node:dns/promises'
import { codeOf, isNoSuchName } from '../errno.ts'

/** Looks up the literal IPs of a name. Rejects with an error that has a `code`. */
export type Lookup = (host: string) => Promise<readonly string[]>

/** Looks up the addresses of one family, or of both (0). Rejects with an error that has a `code`. */
export type FamilyLookup = (host: string, family: 0 | 4 | 6) => Promise<readonly string[]>

/**
 * Looks up a name with getaddrinfo, which uses the set-up of the machine (/etc/hosts, search domains). The addresses are in the order that the
 * system prefers (RFC 6724).
 */
const askSystem: FamilyLookup = async (host, family) => {
  const found = await lookup(host, { all: true, order: 'verbatim', family })
  return found.map(({ address }) => address)
}

/**
 * Returns a look-up that queries both families together, and each family alone if that finds no address. The reason is that glibc also reports
 * "no address" if the name server failed for one family and has no address of the other. So a name counts as missing only if both families
 * say so. The two queries run one after the other, because a look-up holds one thread.
 */
export function lookUpFamilies(ask: FamilyLookup): Lookup {
  return async (host) => {
    const together = await settle(ask, host, 0)
    if (!('error' in together)) return together.ips
    if (!isNoSuchName(codeOf(together.error))) throw together.error
    const alone = [await settle(ask, host, 4), await settle(ask, host, 6)]
    const ips = alone.flatMap((found) => ('ips' in found ? found.ips : []))
    const failed = alone.find((found) => 'error' in found && !isNoSuchName(codeOf(found.error)))
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

/** Looks up a name with getaddrinfo, each family alone if both together give no address. */
export const systemLookup: Lookup = lookUpFamilies(askSystem)
