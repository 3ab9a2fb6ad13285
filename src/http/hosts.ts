import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { quote } from '../domain/quote.ts'
import { sendProblem } from './problem.ts'

/** Which hosts a request may name. */
export type Hosts = {
  /** A hook for every route: answers in its place a request that does not say for which host it is, or names one that Porthole does not answer for. */
  requireHost(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined>
  /** Whether this is the value of a Host header that `requireHost` lets pass on every route. */
  passes(host: string): boolean
}

/** The paths that answer whatever name they are asked by: a container must not be killed for a name that is missing from a list. */
const alwaysAnswered = new Set(['/livez', '/readyz'])
/** How many values of Host are remembered as good ones. Each client sends the same one all day. */
const mostRemembered = 64

/** The characters of a registered name (RFC 3986 §3.2.2). It may be empty, as Host is where the target has no authority. */
const regName = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*$/
/** An address of a later version of IP (RFC 3986 §3.2.2). */
const ipFuture = /^v[0-9A-Fa-f]+\.[A-Za-z0-9\-._~!$&'()*+,;=:]+$/i

/**
 * Judges the hosts that requests name. A request with several Host headers or one that is no host is 400, and so is one of HTTP/1.1 without
 * any (RFC 9112 §3.2). Where `names` is not null, a request that names another host is 421 (RFC 9110 §15.5.20): a browser that a hostile name
 * server led here (DNS rebinding) sends the name of the hostile site. IP literals and `localhost` pass, because no name server answers for them, and so
 * does a request without a name, because browsers always send one.
 */
export function createHosts(names: readonly string[] | null): Hosts {
  const allowed = names === null ? null : new Set(names.map(normalize))
  const passed = new Set<string>()

  function isAnsweredFor(uriHost: string): boolean {
    if (allowed === null || uriHost === '' || uriHost.startsWith('[') || isIP(uriHost) === 4) return true
    const name = normalize(uriHost)
    return name === 'localhost' || allowed.has(name)
  }

  function passes(host: string): boolean {
    if (passed.has(host)) return true
    const uriHost = uriHostOf(host)
    if (uriHost === null || !isAnsweredFor(uriHost)) return false
    if (passed.size >= mostRemembered) passed.clear()
    passed.add(host)
    return true
  }

  return {
    passes,
    async requireHost({ raw, routeOptions }, reply) {
      const [host, ...others] = hostsIn(raw)
      if (others.length > 0) return sendProblem(reply, 400, 'There are several Host headers: send one.')
      if (host === undefined && raw.httpVersion === '1.1')
        return sendProblem(reply, 400, 'HTTP/1.1 asks for a Host header.')
      const isNoHost = (value: string) => `${quote(value)} is no host: send Host: NAME or Host: NAME:PORT.`
      if (host !== undefined && uriHostOf(host) === null) return sendProblem(reply, 400, isNoHost(host))
      // Of a proxy's request the target counts, and not the header (RFC 9112 §3.2.2).
      const named = authorityOf(raw.url ?? '') ?? host ?? ''
      const uriHost = uriHostOf(named)
      if (uriHost === null) return sendProblem(reply, 400, isNoHost(named))
      if (isAnsweredFor(uriHost) || alwaysAnswered.has(routeOptions.url ?? '')) return undefined
      const detail = `This Porthole does not answer for the host ${quote(uriHost)}: ask by its IP address, or add the name to listen.hosts.`
      return sendProblem(reply, 421, detail)
    },
  }
}

/** Every Host header as it came. Node.js keeps the first of several. */
function hostsIn({ rawHeaders }: IncomingMessage): string[] {
  return rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === 'host')
}

/** The authority of a target in absolute form, without user and password; null when the target has none. */
function authorityOf(target: string): string | null {
  return /^https?:\/\/(?:[^/?#@]*@)?([^/?#]*)/i.exec(target)?.[1] ?? null
}

/** The host of `host:port` (RFC 3986 §3.2); null when the text is neither that nor a host. An IPv6 address keeps its brackets. */
function uriHostOf(text: string): string | null {
  const host = text.replace(/:\d*$/, '')
  const [, literal] = /^\[(.*)\]$/.exec(host) ?? []
  if (literal === undefined) return regName.test(host) ? host : null
  return isIP(literal) === 6 || ipFuture.test(literal) ? host : null
}

/** Names are the same in any case, and with the dot of the root or without it. */
function normalize(name: string): string {
  return name.toLowerCase().replace(/\.$/, '')
}
