import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Scope } from './process.ts'

/** Makes a server listen on a free port of 127.0.0.1 and returns its URL. The server and its connections end after the test. */
export async function listenOn(t: Scope, server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
