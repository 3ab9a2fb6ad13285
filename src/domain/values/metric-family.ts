import { z } from 'zod'
import { quote } from './quote.ts'

/** The metrics of services, groups and targets, by their names in Prometheus. An operator may leave any of them out. */
const names = [
  'porthole_service_up',
  'porthole_service_targets',
  'porthole_service_targets_up',
  'porthole_service_draining',
  'porthole_service_expired',
  'porthole_group_up',
  'porthole_target_up',
  'porthole_target_last_check_timestamp_seconds',
  'porthole_target_connect_seconds',
  'porthole_target_connect_seconds_total',
  'porthole_target_checks_total',
  'porthole_target_failures_total',
  'porthole_target_syn_retransmits_total',
  'porthole_target_down_reason',
  'porthole_target_lookup_failing',
  'porthole_target_lookup_seconds_total',
] as const

export const MetricFamily = z.enum(names, {
  error: (issue) => `${quote(issue.input)} is not a metric that can be left out: write ${names.join(', ')}`,
})
export type MetricFamily = z.infer<typeof MetricFamily>
