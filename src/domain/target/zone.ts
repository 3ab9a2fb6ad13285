/**
 * Returns whether an IP is a link-local IPv6 address (fe80::/10, RFC 4291 §2.5.6). Dialling one needs a zone, because every network may use the same
 * address.
 */
export function isLinkLocal(ip: string): boolean {
  return /^fe[89ab][0-9a-f]:/i.test(ip)
}

/** Returns the zone of an IPv6 address: the interface that leads to it (`eth0` in `fe80::1%eth0`, RFC 4007 §11). Null when there is none. */
export function zoneOf(ip: string): string | null {
  const at = ip.indexOf('%')
  return at === -1 ? null : ip.slice(at + 1)
}

/** Returns the message for a link-local address without a zone. */
export function needsInterface(address: string): string {
  return `a link-local address needs the interface it is reached by, such as ${address.replace(']', '%eth0]')}`
}
