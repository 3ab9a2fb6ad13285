/** Whether an IP is a link-local IPv6 address (fe80::/10, RFC 4291 §2.5.6). The same one may be in use on every network, so dialling it takes a zone. */
export function isLinkLocal(ip: string): boolean {
  return /^fe[89ab][0-9a-f]:/i.test(ip)
}

/** The zone of an IPv6 address, which is the interface it is reached by (`eth0` in `fe80::1%eth0`, RFC 4007 §11); null when it has none. */
export function zoneOf(ip: string): string | null {
  const at = ip.indexOf('%')
  return at === -1 ? null : ip.slice(at + 1)
}

/** Says what the address of a target lacks that is link-local and has no zone. */
export function needsInterface(address: string): string {
  return `a link-local address needs the interface it is reached by, such as ${address.replace(']', '%eth0]')}`
}
