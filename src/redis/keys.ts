/** Where in Redis a namespace keeps what. All keys carry one hash tag, so that a Redis Cluster has them in one slot and a script may use them together. */
export type Keys = {
  /** Single numbers: the newest entry of the stream, the newest revision, what the log of transitions is complete after. */
  readonly meta: string
  /** By replica: until when it counts as live, and the number of its last renewal. */
  readonly members: string
  /** By shard: token, owner, until when. */
  readonly leases: string
  /** By replica: when it loaded its configuration file, and the digest of what that defines. */
  readonly offers: string
  /** By replica: the shards that it leaves to others; a replica that leaves none is not there. */
  readonly declined: string
  /** By digest: what a configuration file defines, as text. Only where a live replica does not read `packed`. */
  readonly files: string
  /** By digest: the same, compressed. */
  readonly packed: string
  /** By replica: in which forms it reads what a file defines. A replica of a version that knows the text alone is not there. */
  readonly reads: string
  /** What changed, in the order in which it counts. */
  readonly stream: string
  readonly registrations: string
  /** Names that were deregistered, by revision. */
  readonly removed: string
  /** By name: until when a registration with a ttl holds. */
  readonly expiries: string
  /** By name: when a registration expired. That holds as long as `expiries` says the same; else it was registered again since. */
  readonly expired: string
  /** By name: the revision, and whether it is drained. */
  readonly drained: string
  readonly transitions: string
  /** By service: the last transition of the service itself. */
  readonly last: string
  readonly absences: string
  /** What is remembered of a service and its targets. */
  health(service: string): string
}

/** The keys of a namespace. */
export function keysOf(namespace: string): Keys {
  const key = (name: string) => `{porthole:${namespace}}:${name}`
  return {
    meta: key('meta'),
    members: key('members'),
    leases: key('leases'),
    offers: key('offers'),
    declined: key('declined'),
    files: key('files'),
    packed: key('packed'),
    reads: key('reads'),
    stream: key('stream'),
    registrations: key('registrations'),
    removed: key('removed'),
    expiries: key('expiries'),
    expired: key('expired'),
    drained: key('drained'),
    transitions: key('transitions'),
    last: key('last'),
    absences: key('absences'),
    health: (service) => key(`health:${service}`),
  }
}
