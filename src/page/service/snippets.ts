import { downReasonMatcher } from '../../domain/check/outcome.ts'
import { pathOf } from '../parts/links.ts'

/** A snippet that the reader can copy. */
export type Snippet = {
  readonly title: string
  readonly text: string
  /** The text contains the address of Porthole. The browser replaces it, because only the browser knows the address for certain. */
  readonly isAddressed?: true
}

/**
 * Returns snippets for curl, Kubernetes and Prometheus that ask about this service alone. Any name is safe, because it is part
 * of a URL or a PromQL string. A shell, YAML or an annotation template never interprets it. `origin` is the address of Porthole as the
 * reader sees it, possibly through a proxy. `port` is the port that Porthole listens on, because a probe in the same pod needs it.
 */
export function snippets(name: string, { origin, port }: { origin: string; port: number }): Snippet[] {
  const path = pathOf(name)
  const matcher = `{service=${quoteLabel(name)}}`
  const isUp = `max without (instance, pod) (porthole_service_up${matcher})`
  return [
    {
      title: 'curl: exits with 0 while the service is up or degraded',
      text: `curl --fail-with-body -sS '${origin}health/${path}'`,
      isAddressed: true,
    },
    {
      title: 'Kubernetes: with Porthole in the same pod as the program',
      text: `readinessProbe:\n  httpGet: { path: /health/${path}, port: ${port} }`,
    },
    { title: 'Prometheus: 1 while the service is up or degraded', text: isUp },
    {
      title: 'Prometheus alert',
      text: `- alert: PortholeServiceDown
  # Unknown is 0 as well, so at least one target must be down.
  expr: |-
    ${isUp} == 0
    and ignoring (target, reason)
    max without (instance, pod) (porthole_target_down_reason${matcher.slice(0, -1)}, ${downReasonMatcher()}})
    unless
    max without (instance, pod) (porthole_service_draining${matcher})
  for: 1m
  labels: { severity: critical }
  annotations:
    summary: "{{ $labels.service }} is down"`,
    },
  ]
}

/** Quotes a name as a PromQL string. Escapes characters that YAML forbids (YAML 1.2.2 §5.1), and U+FEFF, which is a byte order mark. */
function quoteLabel(name: string): string {
  return JSON.stringify(name).replace(/[\uFEFF\uFFFE\uFFFF]/g, (one) => `\\u${one.charCodeAt(0).toString(16)}`)
}
