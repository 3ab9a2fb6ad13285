import type { IncomingMessage, Server, ServerResponse } from 'node:http'

type Handle = (request: IncomingMessage, response: ServerResponse) => void

/** Adds a step before the present handlers of requests. The step calls `handle` to go on to them, or answers itself. The step added last runs first. */
export function intercept(
  server: Server,
  step: (request: IncomingMessage, response: ServerResponse, handle: Handle) => void,
): void {
  const handlers = server.listeners('request') as Handle[]
  server.removeAllListeners('request')
  server.on('request', (request, response) => {
    step(request, response, (...asked) => {
      for (const handle of handlers) handle(...asked)
    })
  })
}
