import { createSocket } from 'node:dgram'
import { once } from 'node:events'

/** The answer of a name server: addresses of the requested type (none: the name has no such address), or an error by its number (RFC 1035 §4.1.1). */
export type NameAnswer = { readonly ips?: readonly string[]; readonly error?: number; readonly afterMs?: number }

export const serverFailure = 2
export const noSuchName = 3

/** Starts a name server on port 53 of an IPv4 address. `answer` returns the answer; null: it does not answer. */
export async function startNameServer(
  ip: string,
  answer: (name: string, type: 'A' | 'AAAA') => NameAnswer | null,
): Promise<{ close(): void }> {
  const server = createSocket('udp4')
  server.on('message', (query, from) => {
    const { name, end } = readName(query)
    const said = answer(name, query.readUInt16BE(end) === 28 ? 'AAAA' : 'A')
    if (said === null) return
    const { ips = [], error = 0, afterMs = 0 } = said
    const head = Buffer.from(query.subarray(0, end + 4))
    head.writeUInt16BE(0x8180 + error, 2)
    head.writeUInt16BE(ips.length, 6)
    head.writeUInt16BE(0, 10)
    const message = Buffer.concat([head, ...ips.map(writeRecord)])
    setTimeout(() => isOpen && server.send(message, from.port, from.address), afterMs).unref()
  })
  let isOpen = true
  server.bind(53, ip)
  await once(server, 'listening')
  return {
    close() {
      isOpen = false
      server.close()
    },
  }
}

/** Returns the name in a query, and the offset of its end. */
function readName(query: Buffer): { name: string; end: number } {
  const labels: string[] = []
  let place = 12
  for (let length = query[place] ?? 0; length > 0; length = query[place] ?? 0) {
    labels.push(query.toString('latin1', place + 1, place + 1 + length))
    place += length + 1
  }
  return { name: labels.join('.'), end: place + 1 }
}

/** Returns a record of type A for the requested name, with a TTL of 0. */
const writeRecord = (ip: string) => Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...ip.split('.').map(Number)])
