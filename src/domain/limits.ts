/** How much may be registered over HTTP. The file's services are its operator's own affair, but they count. */
export type Limits = {
  /** Services, the file's among them. */
  readonly services: number
  /** Targets of one service, and addresses that they stand for. */
  readonly targets: number
  /** Groups that one service may be in. */
  readonly groups: number
  /** Characters in the name of a service or a group. */
  readonly nameLength: number
  /** Characters in a target as it is written. */
  readonly targetLength: number
  /** Bytes in the body of a request. */
  readonly bodyBytes: number
}

/** What applies where the file says nothing. */
export const defaultLimits: Limits = {
  services: 10_000,
  targets: 100,
  groups: 20,
  nameLength: 200,
  targetLength: 260,
  bodyBytes: 65_536,
}
