import type { IncomingMessage } from 'node:http'

/** A path such as `/porthole`, without `.` and `..`, of characters that have no special meaning in a URL or in HTML. */
const prefixPath = /^(\/(?!\.{1,2}(\/|$))[\w.~-]+)+\/?$/

/** Returns the path prefix that a proxy removes, with a slash at its end. Returns null where the header is missing or not a plain path. */
function prefixOf({ headers }: IncomingMessage): string | null {
  const prefix = headers['x-forwarded-prefix']
  return typeof prefix === 'string' && prefixPath.test(prefix) ? prefix.replace(/\/?$/, '/') : null
}

/**
 * Returns the URL of Porthole's root, which the page puts before its own paths. A proxy that removes a prefix names it in
 * `X-Forwarded-Prefix`. Without that header the URL is relative to the page, such as `../`, which is right behind a proxy that sends
 * no header too. Any client can send the header, so a value that could lead to another host is ignored.
 */
export function rootOf(request: IncomingMessage): string {
  const [path = '/'] = (request.url ?? '/').split('?', 1)
  return prefixOf(request) ?? ('../'.repeat(path.split('/').length - 2) || './')
}

/** A host name or an address, with or without a port, of characters that are safe in a shell. */
const plainHost = /^[\w.-]+(:\d+)?$|^\[[\da-f:.]+\](:\d+)?$/i
/** The pattern alone accepts invalid hosts such as `1.2.3.999` and `db:99999`. */
const isHost = (text: string) => plainHost.test(text) && URL.canParse(`http://${text}`)

/** Returns the URL of Porthole as the client wrote it, with a slash at its end. The snippets on the page contain it. */
export function originOf(request: IncomingMessage): string {
  const first = (name: string) =>
    String(request.headers[name] ?? '')
      .split(',', 1)[0]
      ?.trim() ?? ''
  const scheme = first('x-forwarded-proto').toLowerCase() === 'https' ? 'https' : 'http'
  const host = [first('x-forwarded-host'), first('host')].find(isHost) ?? 'localhost:8080'
  return `${scheme}://${host}${prefixOf(request) ?? '/'}`
}

/** Returns the port that Porthole listens on, from the connection. The port in `Host` may be that of a proxy or of a port mapping. */
export function portOf({ socket }: IncomingMessage): number {
  return socket.localPort ?? 8080
}
