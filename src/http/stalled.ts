import type { Server } from 'node:http'
import { intercept } from './intercept.ts'

/**
 * Closes connections on which an answer waits and of which the client took nothing for so long, in milliseconds. Long answers have a stricter
 * pace of their own (`sendPaced`). What Porthole itself takes its time for, such as a check, closes nothing. Idle connections Node.js closes.
 */
export function closeStalled(server: Server, ms: number): void {
  server.setTimeout(ms)
  intercept(server, (request, response, handle) => {
    // Without a listener Node.js would close the connection in any case.
    response.on('timeout', () => {
      if (request.socket.writableLength > 0) request.socket.destroy()
    })
    handle(request, response)
  })
}
