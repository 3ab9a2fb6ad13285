import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { createEmitter, type Emitter } from '../../monitor/emitter.ts'
import type { Clock } from '../../runtime/clock.ts'
import { clientOf } from '../requests/failed-token-limiter.ts'

/** Why a connection was closed: it had sent no request, it had none under way, or it opened while all others had requests under way. */
export const closedFor = ['unused', 'idle', 'full'] as const
export type ClosedFor = (typeof closedFor)[number]

/** The client that holds the most connections while the maximum is reached; `held` is how many. */
export type Crowding = { readonly client: string; readonly held: number; readonly max: number }

/** The HTTP connections of this process. */
export type Connections = {
  /** How many may be open at once. */
  readonly max: number
  /** Counts and limits the connections of a server from now on. Call it after all other listeners for requests are added. */
  watch(server: Server): void
  /** Returns how many are open, and how many were closed to make room, by reason. */
  stats(): { readonly open: number; readonly closed: Readonly<Record<ClosedFor, number>> }
  /** Emits when connections are closed to make room, once a minute at most. */
  readonly crowded: Emitter<Crowding>
}

/** All connections of one client: an IPv4 address, or the /64 of an IPv6 address. */
type Holder = { readonly client: string; held: number; oldestIdle: Connection | null; newestIdle: Connection | null }

/**
 * One connection. `underWay` counts its requests, which may be pipelined. `older` and `newer` link the idle connections of the same client by age.
 */
type Connection = {
  readonly socket: Socket
  readonly holder: Holder
  /** Ends a request. One function serves every answer on the connection. */
  readonly endRequest: () => void
  underWay: number
  isUsed: boolean
  isOpen: boolean
  /** A counter at the start of idleness. A smaller number means idle for longer. */
  idleSince: number
  older: Connection | null
  newer: Connection | null
}

/** The least time between two reports of crowding, in milliseconds. */
const crowdedEveryMs = 60_000

/**
 * Limits how many connections are open. When `max` are open and one more arrives, Porthole closes an idle connection: the oldest one of the client
 * that holds the most. So a client that opens thousands closes its own. A load balancer or kubelet, which is one address, may have as many as there is
 * room for. A request is under way from the end of its headers to the end of its answer. A connection is idle while it has no request under way.
 * Connections that are not idle are never closed. While none is idle, the new connection is closed.
 */
export function createConnections({ max, clock }: { readonly max: number; readonly clock: Clock }): Connections {
  const bySocket = new WeakMap<Socket, Connection>()
  const holders = new Map<string, Holder>()
  const closed: Record<ClosedFor, number> = { unused: 0, idle: 0, full: 0 }
  const crowded = createEmitter<Crowding>()
  let crowdedAt = Number.NEGATIVE_INFINITY
  let open = 0
  let turn = 0

  function admit(socket: Socket): void {
    const client = clientOf(socket.remoteAddress ?? '')
    if (open >= max && !makeRoom()) {
      closed.full++
      socket.destroy()
      return
    }
    const holder = holders.get(client) ?? { client, held: 0, oldestIdle: null, newestIdle: null }
    holders.set(client, holder)
    holder.held++
    open++
    const connection: Connection = {
      socket,
      holder,
      endRequest: () => endRequest(connection),
      underWay: 0,
      isUsed: false,
      isOpen: true,
      idleSince: 0,
      older: null,
      newer: null,
    }
    bySocket.set(socket, connection)
    beginIdle(connection)
    socket.once('close', () => forget(connection))
  }

  /** Closes an idle connection. Returns false when none is idle. */
  function makeRoom(): boolean {
    let greediest: Holder | null = null
    let oldest: Connection | null = null
    // The loop runs only while the maximum is reached, and there are never more clients than connections.
    for (const holder of holders.values()) {
      const { held, oldestIdle } = holder
      if (greediest === null || held > greediest.held) greediest = holder
      if (oldestIdle === null) continue
      const isGreedier = oldest === null || held > oldest.holder.held
      if (isGreedier || (held === oldest?.holder.held && oldestIdle.idleSince < oldest.idleSince)) oldest = oldestIdle
    }
    if (greediest !== null) reportCrowding(greediest)
    if (oldest === null) return false
    closed[oldest.isUsed ? 'idle' : 'unused']++
    // The event `close` arrives later, so the connection is forgotten now.
    forget(oldest)
    oldest.socket.destroy()
    return true
  }

  function reportCrowding({ client, held }: Holder): void {
    const now = clock.now()
    if (now - crowdedAt < crowdedEveryMs) return
    crowdedAt = now
    crowded.emit({ client, held, max })
  }

  function beginIdle(connection: Connection): void {
    const { holder } = connection
    connection.idleSince = turn++
    connection.older = holder.newestIdle
    if (holder.newestIdle === null) holder.oldestIdle = connection
    else holder.newestIdle.newer = connection
    holder.newestIdle = connection
  }

  function endIdle(connection: Connection): void {
    const { holder, older, newer } = connection
    if (older === null) holder.oldestIdle = newer
    else older.newer = newer
    if (newer === null) holder.newestIdle = older
    else newer.older = older
    connection.older = null
    connection.newer = null
  }

  function forget(connection: Connection): void {
    if (!connection.isOpen) return
    connection.isOpen = false
    if (connection.underWay === 0) endIdle(connection)
    const { holder } = connection
    holder.held--
    if (holder.held === 0) holders.delete(holder.client)
    open--
  }

  function beginRequest({ socket }: IncomingMessage, response: ServerResponse): void {
    const connection = bySocket.get(socket)
    if (connection?.isOpen !== true) return
    if (connection.underWay === 0) endIdle(connection)
    connection.underWay++
    connection.isUsed = true
    response.on('close', connection.endRequest)
  }

  function endRequest(connection: Connection): void {
    if (!connection.isOpen) return
    connection.underWay--
    if (connection.underWay === 0) beginIdle(connection)
  }

  return {
    max,
    watch(server) {
      server.on('connection', admit)
      server.prependListener('request', beginRequest)
    },
    stats: () => ({ open, closed }),
    crowded,
  }
}
