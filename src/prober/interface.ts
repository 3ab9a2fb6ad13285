import { networkInterfaces } from 'node:os'
import { isLinkLocal, zoneOf } from '../domain/zone.ts'

/** Why an address cannot be dialled, by the name of the error that fits: it lacks its interface, or there is none of that name that is up. */
export type ZoneFault = { readonly code: 'EINVAL' | 'ENODEV' }

/**
 * The address for Node.js to dial: the same, but a link-local one has the name of its interface. libuv reads a zone as a name only,
 * and picks any interface for an address without one or with one that it does not know (uv__ipv6_link_local_scope_id). So
 * Porthole looks itself, because another host may have the same address there.
 */
export function withInterface(ip: string, interfaces = networkInterfaces): string | ZoneFault {
  if (!isLinkLocal(ip)) return ip
  const zone = zoneOf(ip)
  if (zone === null) return { code: 'EINVAL' }
  const known = interfaces()
  if (known[zone] !== undefined) return ip
  const named = Object.entries(known).find(([, addresses]) =>
    addresses?.some((address) => address.family === 'IPv6' && String(address.scopeid) === zone),
  )
  if (named === undefined) return { code: 'ENODEV' }
  // On Windows a zone is a number.
  return process.platform === 'win32' ? ip : ip.replace(/%.*/, `%${named[0]}`)
}
