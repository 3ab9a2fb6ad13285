import type { Server } from 'node:http'
import { intercept } from './intercept.ts'

/**
 * Answers the requests of one connection one after the other. A client may send many without waiting for answers (RFC 9112 §9.3.2). Node.js
 * handles all that arrive together, such as 1,300 requests of 50 bytes, and holds their answers until the client has read the first.
 */
export function answerOneAtATime(server: Server): void {
  intercept(server, (request, response, handle) => {
    // A response has no socket while an earlier response has it. The event `socket` says when it gets the socket.
    if (response.socket === null) response.once('socket', () => handle(request, response))
    else handle(request, response)
  })
}
