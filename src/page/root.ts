import type { IncomingMessage } from 'node:http'

/** A path such as `/porthole`, of characters that mean nothing else in a URL or in HTML, and without `.` and `..`. */
const prefixPath = /^(\/(?!\.{1,2}(\/|$))[\w.~-]+)+\/?$/

/** The prefix that a proxy takes off and tells of, ending in a slash; null where none does, or what is told could lead elsewhere. */
function prefixOf({ headers }: IncomingMessage): string | null {
  const prefix = headers['x-forwarded-prefix']
  return typeof prefix === 'string' && prefixPath.test(prefix) ? prefix.replace(/\/?$/, '/') : null
}

/**
 * Where Porthole begins, as what the page puts before its own paths. Behind a proxy that takes a prefix off and says so in
 * `X-Forwarded-Prefix`, that prefix. Otherwise the way up from the page itself, which is right behind a proxy that says nothing
 * as well. Anybody can send that header: what could lead to another host is not believed.
 */
export function rootOf(request: IncomingMessage): string {
  const [path = '/'] = (request.url ?? '/').split('?', 1)
  return prefixOf(request) ?? ('../'.repeat(path.split('/').length - 2) || './')
}

/** A name or an address, with or without a port: nothing that a shell would read otherwise. */
const plainHost = /^[\w.-]+(:\d+)?$|^\[[\da-f:.]+\](:\d+)?$/i
/** Some that look like one are none, such as `1.2.3.999` and `db:99999`. */
const isHost = (text: string) => plainHost.test(text) && URL.canParse(`http://${text}`)

/** Where Porthole is, as whoever looks wrote it: for the lines that are copied from the page. It ends in a slash. */
export function originOf(request: IncomingMessage): string {
  const first = (name: string) =>
    String(request.headers[name] ?? '')
      .split(',', 1)[0]
      ?.trim() ?? ''
  const scheme = first('x-forwarded-proto').toLowerCase() === 'https' ? 'https' : 'http'
  const host = [first('x-forwarded-host'), first('host')].find(isHost) ?? 'localhost:8080'
  return `${scheme}://${host}${prefixOf(request) ?? '/'}`
}

/** Returns the port that Porthole listens on, as the connection says: what `Host` says is the port of a proxy, or of a mapping. */
export function portOf({ socket }: IncomingMessage): number {
  return socket.localPort ?? 8080
}
