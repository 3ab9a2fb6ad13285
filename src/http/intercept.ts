import type { IncomingMessage, Server, ServerResponse } from 'node:http'

type Handle = (request: IncomingMessage, response: ServerResponse) => void

/** Puts a step before what handles requests so far, which the step calls, or does not. The step that was put there last comes first. */
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
