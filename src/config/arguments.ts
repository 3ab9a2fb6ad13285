import { ServiceName } from '../domain/service/service.ts'
import { parseTarget, type Target, targetKey } from '../domain/target/target.ts'
import { quote } from '../domain/values/quote.ts'
import type { Problem } from './problem.ts'

/** A service of the command line: its targets, and the place of the first of its arguments. */
export type ArgumentService = { readonly place: string; readonly targets: Target[] }

/**
 * Reads arguments of the forms `host:port` (a service with the name of its target) and `name=host:port`. The same name again adds a target. A
 * name may contain `=` but a target never does, so the last `=` divides.
 */
export function readArguments(args: readonly string[]): {
  readonly services: ReadonlyMap<string, ArgumentService>
  readonly problems: readonly Problem[]
} {
  const services = new Map<string, ArgumentService>()
  const problems: Problem[] = []
  for (const text of args) {
    const place = `argument ${quote(text)}`
    const report = (message = '') => problems.push({ place, path: '', message })
    const divider = text.lastIndexOf('=')
    const target = parseTarget(text.slice(divider + 1))
    const name = ServiceName.safeParse(divider === -1 ? text : text.slice(0, divider))
    if (typeof target === 'string') report(target)
    if (!name.success && divider !== -1) report(name.error.issues[0]?.message)
    if (typeof target === 'string' || !name.success) continue

    const service = services.get(name.data) ?? { place, targets: [] }
    services.set(name.data, service)
    if (service.targets.some((other) => targetKey(other) === targetKey(target))) {
      report(`${quote(target.name)} is listed twice: remove one`)
    } else {
      service.targets.push(target)
    }
  }
  return { services, problems }
}
