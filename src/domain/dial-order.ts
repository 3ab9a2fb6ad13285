import { isIP } from 'node:net'

/** How many addresses of one name a check dials at most. */
export const mostAddresses = 4

/**
 * The addresses of a name in the order a check dials them, each once. The system's order counts (RFC 6724), with the two families
 * taking turns from the family of the first address on (RFC 8305 §4). The list ends with the first address that is denied: it is
 * not dialled, and no other takes its place, so that the rules do not change which addresses are checked. `preferred` goes first
 * if it comes before that.
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
