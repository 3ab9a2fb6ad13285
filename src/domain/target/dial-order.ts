import { isIP } from 'node:net'

/** The most addresses of one name that a check dials. */
export const mostAddresses = 4

/**
 * Returns the addresses of a name in the order in which a check dials them, each once, at most four. The order is that of the system
 * (RFC 6724), except that the two families alternate, beginning with the family of the first address (RFC 8305 §4). The list ends with the
 * first address that `isDenied` denies. The check does not dial that address, and no later address replaces it: otherwise the dial rules would
 * change which addresses are checked. `preferred` goes first if it comes before the denied address.
 */
export function orderDials(
  addresses: readonly string[],
  preferred: string | null,
  isDenied: (ip: string) => boolean,
): readonly string[] {
  const ordered = alternate([...new Set(addresses)])
  const denied = ordered.findIndex(isDenied)
  const open = denied === -1 ? ordered : ordered.slice(0, denied)
  const rest = denied === -1 ? [] : ordered.slice(denied, denied + 1)
  const moved =
    preferred !== null && open.includes(preferred) ? [preferred, ...open.filter((ip) => ip !== preferred)] : open
  return [...moved, ...rest].slice(0, mostAddresses)
}

function alternate(addresses: readonly string[]): readonly string[] {
  const isOfFirst = (ip: string) => isIP(ip) === isIP(addresses[0] ?? '')
  const same = addresses.filter(isOfFirst)
  const other = addresses.filter((ip) => !isOfFirst(ip))
  const turns = Array.from({ length: Math.max(same.length, other.length) }, (_, turn) => [same[turn], other[turn]])
  return turns.flat().filter((ip) => ip !== undefined)
}
