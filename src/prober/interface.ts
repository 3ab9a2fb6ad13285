import { networkInterfaces } from 'node:os'
import { isLinkLocal, zoneOf } from '../domain/target/zone.ts'

/** The error for an address that cannot be dialled: `EINVAL` without an interface, `ENODEV` when no interface of that name is up. */
export type ZoneFault = { readonly code: 'EINVAL' | 'ENODEV' }

/**
 * Returns the address for Node.js to dial. A link-local address gets the name of its interface. libuv understands a zone only as a name. Without
 * a zone that it knows, it picks any interface (uv__ipv6_link_local_scope_id), where another host may have the same address. So Porthole
 * looks up the interface itself.
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
  // On Windows a zone is a number, so it stays as it is.
  return process.platform === 'win32' ? ip : ip.replace(/%.*/, `%${named[0]}`)
}
