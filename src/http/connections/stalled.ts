import type { Server } from 'node:http'
import { intercept } from './intercept.ts'

/**
 * Closes a connection whose client has read none of the waiting bytes of an answer for `ms` milliseconds. Long answers have a stricter
 * pace of their own (`sendPaced`). A connection that waits for Porthole itself, such as for a check, stays open. Node.js closes idle connections.
 */
export function closeStalled(server: Server, ms: number): void {
  server.setTimeout(ms)
  intercept(server, (request, response, handle) => {
    // Without a listener Node.js would close the connection every time.
    response.on('timeout', () => {
      if (request.socket.writableLength > 0) request.socket.destroy()
    })
    handle(request, response)
  })
}
