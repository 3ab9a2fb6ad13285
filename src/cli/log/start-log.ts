import { resolve } from 'node:path'
import type { FastifyBaseLogger } from 'fastify'
import type { Config } from '../../config/config.ts'
import type { Prober } from '../../prober/prober.ts'

/** Logs the first line: the versions, the prober, and the place of the data. */
export function logStart(
  log: FastifyBaseLogger,
  {
    version,
    prober,
    config,
  }: { readonly version: string; readonly prober: Prober['name']; readonly config: Pick<Config, 'data' | 'replicas'> },
): void {
  const data = config.replicas !== null ? 'Redis' : config.data === null ? null : resolve(config.data)
  log.info(
    { version, node: process.version, prober, data },
    `Porthole ${version}, Node.js ${process.version}, ${prober} prober, ${data === null ? 'nothing is stored' : `data in ${data}`}`,
  )
}

/** Logs where the status page, the API reference and the metrics are. `url` is the address of the listener. */
export function logPages(log: FastifyBaseLogger, url: string): void {
  const base = urlForBrowser(url)
  log.info(`status page: ${base}/`)
  log.info(`API reference: ${base}/docs`)
  log.info(`metrics: ${base}/metrics`)
}

/** Returns the address of a listener as a browser can open it. A listener on all addresses also listens on the loopback one. */
export function urlForBrowser(url: string): string {
  return url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:')
}
