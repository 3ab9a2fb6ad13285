import { readFileSync } from 'node:fs'

/** Returns the first and the last port that the kernel dials from (ip(7), ip_local_port_range). */
export function readEphemeralPorts(): [number, number] {
  const [low = 0, high = 65_535] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')
    .trim()
    .split(/\s+/)
    .map(Number)
  return [low, high]
}
