import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'

/** Where to listen. */
type Place = { readonly host: string; readonly port: number }

/** The open listener. */
export type Listening = {
  /** The address, such as `http://127.0.0.1:8080`. */
  readonly url: string
  /** Closes the second loopback listener, which the server's own close leaves open. Resolves once its connections have ended. */
  close(): Promise<void>
}

/** The other loopback address, by each one. */
const otherLoopback: Readonly<Record<string, string>> = { '127.0.0.1': '::1', '::1': '127.0.0.1' }

/**
 * Listens, or returns the error that prevents it. `localhost` stands for both loopback addresses. For the other address Fastify would make a
 * second HTTP server, which has neither the bound on connections nor the fast path. Therefore its connections are handed to the one server here.
 */
export async function listenAt(
  app: FastifyInstance,
  { host, port }: Place,
): Promise<Listening | NodeJS.ErrnoException> {
  const [first, ...others] = host === 'localhost' ? ['127.0.0.1', '::1'] : [host]
  let url = await listen(app, { host: first as string, port })
  for (const other of others) if (isNoAddress(url)) url = await listen(app, { host: other, port })
  if (typeof url !== 'string') return url
  const close = host === 'localhost' ? await listenBeside(app) : null
  return { url, close: async () => close?.() }
}

const listen = (app: FastifyInstance, { host, port }: Place) =>
  app.listen({ host, port }).catch((error: NodeJS.ErrnoException) => error)

/** Returns whether the machine has no such address, for example because IPv6 or IPv4 is switched off. */
const isNoAddress = (url: string | NodeJS.ErrnoException) =>
  typeof url !== 'string' && (url.code === 'EADDRNOTAVAIL' || url.code === 'EAFNOSUPPORT')

/** Listens at the other loopback address and the same port. Returns null if the machine has no such address, or if the port is taken there. */
async function listenBeside(app: FastifyInstance): Promise<(() => Promise<void>) | null> {
  const { address, port } = app.server.address() as AddressInfo
  const host = otherLoopback[address]
  if (host === undefined) return null
  // http.createServer() gives its sockets the same options.
  const beside = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
    app.server.emit('connection', socket),
  )
  beside.listen(port, host)
  try {
    await once(beside, 'listening')
  } catch {
    return null
  }
  app.log.info(`Server listening at http://${host.includes(':') ? `[${host}]` : host}:${port}`)
  return () => new Promise((done) => beside.close(() => done()))
}

/** Returns a sentence with the cause and the remedy if Porthole cannot listen there. Throws an error that has another cause. */
export function explainListenError(
  error: NodeJS.ErrnoException,
  { host, port }: { readonly host: string; readonly port: number },
): string {
  const where = `${host}:${port}`
  const remedy = 'set listen in the configuration, or PORTHOLE_HOST and PORTHOLE_PORT'
  switch (error.code) {
    case 'EADDRINUSE':
      return `${where} is taken by another program: stop it, or ${remedy}`
    case 'EACCES':
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
    case 'EAI_AGAIN':
    case 'ENOTFOUND':
      return `cannot listen on ${where} (${error.code}): ${remedy}`
    default:
      throw error
  }
}
