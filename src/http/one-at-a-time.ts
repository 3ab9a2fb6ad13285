import type { Server } from 'node:http'
import { intercept } from './intercept.ts'

/**
 * Answers the requests of one connection one after the other. A client may send many without waiting for answers (RFC 9112 §9.3.2), and
 * Node.js handles all that arrive together: 1,300 requests of 50 bytes, whose answers it then keeps until the client has taken the first.
 */
export function answerOneAtATime(server: Server): void {
  intercept(server, (request, response, handle) => {
    // A response has no socket while one before it has it, and is told when it gets it.
    if (response.socket === null) response.once('socket', () => handle(request, response))
    else handle(request, response)
  })
}
