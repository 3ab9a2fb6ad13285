// node bench/listener.ts COUNT [HOST]: listens on COUNT ports of an address, accepts connections and closes them. Ends with the process that
// started it.
import { once } from 'node:events'
import { createServer } from 'node:net'

// The ports lie below those that the kernel dials from (32768 and up), as the ports of services do.
const [first, last] = [20_000, 32_767]
const wanted = Number(process.argv[2])
const host = process.argv[3] ?? '127.0.0.1'
const ports: number[] = []
for (let port = first; port <= last && ports.length < wanted; port++) {
  const server = createServer({ pauseOnConnect: true }, (socket) => socket.on('error', () => {}).destroy())
  server.listen({ port, host, backlog: 4096 })
  try {
    await once(server, 'listening')
    ports.push(port)
  } catch {
    // Another program has the port.
  }
}
console.log(`listening on ${ports.join(',')}`)
process.stdin.resume().once('close', () => process.exit())
