import { pathOf } from './links.ts'

/** Something ready to be copied. */
export type Copy = {
  readonly title: string
  readonly text: string
  /** It begins with where Porthole is, which the browser may know better. */
  readonly isAddressed?: true
}

/**
 * What else asks about this service, for exactly this one, whatever it is called: the name is written as a URL, or as a string of
 * PromQL, and never where a shell, YAML or a template of an annotation would read it as something else. `origin` is where the reader finds
 * Porthole, perhaps by way of a proxy; `port` is the one that Porthole listens on, which is what a probe in the same pod needs.
 */
export function copies(name: string, { origin, port }: { origin: string; port: number }): Copy[] {
  const path = pathOf(name)
  const matcher = `{service=${quoteLabel(name)}}`
  const isUp = `max without (instance, pod) (porthole_service_up${matcher})`
  return [
    {
      title: 'curl: exits with 0 while it is up or degraded',
      text: `curl --fail-with-body -sS '${origin}health/${path}'`,
      isAddressed: true,
    },
    {
      title: 'Kubernetes: with Porthole beside the program, in the same pod',
      text: `readinessProbe:\n  httpGet: { path: /health/${path}, port: ${port} }`,
    },
    { title: 'Prometheus: 1 while it is up or degraded', text: isUp },
    {
      title: 'Prometheus alert',
      text: `- alert: PortholeServiceDown
  # Unknown is 0 as well, so at least one target must have said down.
  expr: |-
    ${isUp} == 0
    and ignoring (target, reason)
    max without (instance, pod) (porthole_target_down_reason${matcher.slice(0, -1)}, reason!~"connected|local|denied|other"})
    unless
    max without (instance, pod) (porthole_service_draining${matcher})
  for: 1m
  labels: { severity: critical }
  annotations:
    summary: "{{ $labels.service }} is down"`,
    },
  ]
}

/** A name as a string of PromQL, without the characters that YAML forbids (YAML 1.2.2 §5.1) or takes for the mark of an encoding. */
function quoteLabel(name: string): string {
  return JSON.stringify(name).replace(/[\uFEFF\uFFFE\uFFFF]/g, (one) => `\\u${one.charCodeAt(0).toString(16)}`)
}
