import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { quote } from '../../domain/values/quote.ts'
import { sendProblem } from '../answers/problem.ts'

/** The check of the host that a request names. */
export type Hosts = {
  /** A hook for every route. Refuses a Host header that is missing, repeated or invalid, or that names a host that Porthole does not answer for. */
  requireHost(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined>
  /** Returns whether `requireHost` lets this value of a Host header pass on every route. */
  passes(host: string): boolean
}

/** The paths that answer for any host. Otherwise a name that is missing from the list would get a container killed. */
const alwaysAnswered = new Set(['/livez', '/readyz'])
/** How many valid values of Host are remembered. Each client sends the same one all day. */
const mostRemembered = 64

/** Matches a registered name (RFC 3986 §3.2.2). The name may be empty, because Host is empty where the request target has no authority. */
const regName = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*$/
/** Matches an address of a later version of IP (RFC 3986 §3.2.2). */
const ipFuture = /^v[0-9A-Fa-f]+\.[A-Za-z0-9\-._~!$&'()*+,;=:]+$/i

/**
 * Creates the check of Host headers. A request with several Host headers or an invalid one gets 400, and so does a request of HTTP/1.1 without
 * one (RFC 9112 §3.2). Where `names` is not null, a request that names another host gets 421 (RFC 9110 §15.5.20). The 421 stops DNS rebinding: a
 * browser that a hostile name server led here sends the name of the hostile site. IP literals and `localhost` pass, because no name server answers
 * for them. A request without a name passes, because browsers always send one.
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
        return sendProblem(reply, 400, 'HTTP/1.1 needs a Host header: send one.')
      const isNoHost = (value: string) => `${quote(value)} is not a host: send Host: NAME or Host: NAME:PORT.`
      if (host !== undefined && uriHostOf(host) === null) return sendProblem(reply, 400, isNoHost(host))
      // In a request to a proxy the request target counts, and not the header (RFC 9112 §3.2.2).
      const named = authorityOf(raw.url ?? '') ?? host ?? ''
      const uriHost = uriHostOf(named)
      if (uriHost === null) return sendProblem(reply, 400, isNoHost(named))
      if (isAnsweredFor(uriHost) || alwaysAnswered.has(routeOptions.url ?? '')) return undefined
      const detail = `This Porthole does not answer for the host ${quote(uriHost)}: ask by its IP address, or add the name to listen.hosts.`
      return sendProblem(reply, 421, detail)
    },
  }
}

/** Returns every Host header as it arrived. Node.js itself keeps only the first of several. */
function hostsIn({ rawHeaders }: IncomingMessage): string[] {
  return rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === 'host')
}

/** Returns the authority of a request target in absolute form, without user and password; null when the target has none. */
function authorityOf(target: string): string | null {
  return /^https?:\/\/(?:[^/?#@]*@)?([^/?#]*)/i.exec(target)?.[1] ?? null
}

/** Returns the host of `host` or `host:port` (RFC 3986 §3.2); null when the text is neither. An IPv6 address keeps its brackets. */
function uriHostOf(text: string): string | null {
  const host = text.replace(/:\d*$/, '')
  const [, literal] = /^\[(.*)\]$/.exec(host) ?? []
  if (literal === undefined) return regName.test(host) ? host : null
  return isIP(literal) === 6 || ipFuture.test(literal) ? host : null
}

/** Returns a name in the form that is compared. Case and the dot of the root make no difference. */
function normalize(name: string): string {
  return name.toLowerCase().replace(/\.$/, '')
}
