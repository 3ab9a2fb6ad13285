/*
 * The times of a lease, in milliseconds. Each must be shorter than the next: renew interval, solo, renew deadline, lease, hand-over
 * (`handoverMs` in domain/service/policy.ts, 8 s).
 */

/** How often a replica renews its leases. */
export const renewIntervalMs = 2000
/**
 * How long a replica works without the store before it goes solo. One lost renewal is shorter, so it makes no replica solo. The renew deadline is
 * longer, so a replica that loses the store checks all services before its own leases end, and misses no check.
 */
export const soloAfterMs = 4000
/** How long a lease lasts by the clock of the store. The hand-over is longer, so a status stays valid until another replica has taken over. */
export const leaseDurationMs = 6000
/**
 * How long a replica uses its leases by its own clock, from before it sends a renewal. Its clock may be a tenth slower than that of the store. The 5 s
 * are then 5.6 s, which is well before the lease can end, so two replicas never share a shard.
 */
export const renewDeadlineMs = (leaseDurationMs * 5) / 6
/** How long until the next renewal if no answer came or a shard has no owner. */
export const retryPeriodMs = 500
