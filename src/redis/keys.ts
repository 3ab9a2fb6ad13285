/**
 * The Redis keys of one namespace. All of them have the same hash tag. So a Redis Cluster stores them in one slot, and a script may use them
 * together.
 */
export type Keys = {
  /** Single numbers: the newest entry of the stream, the newest revision, and the id after which the transition log is complete. */
  readonly meta: string
  /** By replica: until when it counts as live, and the number of its last renewal. */
  readonly members: string
  /** By shard: fencing token, owner, and end of the lease. */
  readonly leases: string
  /** By replica: when it loaded its configuration file, and the digest of the definitions in that file. */
  readonly offers: string
  /** By replica: the shards that it leaves to others. A replica that leaves none has no field. */
  readonly declined: string
  /** By digest: the definitions of a configuration file, as text. Stored only while a live replica does not read `packed`. */
  readonly files: string
  /** By digest: the same definitions, compressed. */
  readonly packed: string
  /** By replica: the compressed form of definitions that it reads. A replica of an older version, which reads only the text, has no field. */
  readonly reads: string
  /** All changes, in the order in which the store accepted them. */
  readonly stream: string
  readonly registrations: string
  /** Names that were deregistered, by revision. */
  readonly removed: string
  /** By name: when a registration with a `ttl` expires. */
  readonly expiries: string
  /**
   * By name: when a registration expired. The value counts only while `expiries` has the same one. Otherwise the service was registered again since.
   */
  readonly expired: string
  /** By name: the revision, and whether the service is drained. */
  readonly drained: string
  readonly transitions: string
  /** By service: the last transition of the service itself. */
  readonly last: string
  readonly gaps: string
  /** Returns the key of the shared health of a service and its targets. */
  health(service: string): string
}

/** Returns the keys of a namespace. */
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
    gaps: key('absences'),
    health: (service) => key(`health:${service}`),
  }
}
