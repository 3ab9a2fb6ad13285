import type { Service } from '../domain/service/service.ts'

/** The names that a scrape selects by. An absent list restricts nothing. */
export type SelectionQuery = {
  readonly group?: Iterable<string> | undefined
  readonly service?: Iterable<string> | undefined
  readonly exclude?: Iterable<string> | undefined
}

/** The services and groups of a scrape that selects some. */
export type Selection = {
  has(service: Service): boolean
  /** Whether the scrape includes a group of a selected service. */
  hasGroup(name: string): boolean
}

/** Creates a selection; null where the scrape selects all services. */
export function createSelection({ group, service, exclude }: SelectionQuery): Selection | null {
  if (group === undefined && service === undefined && exclude === undefined) return null
  const [groups, services, excluded] = [group && new Set(group), service && new Set(service), new Set(exclude)]
  const hasGroup = (name: string) => groups === undefined || groups.has(name)
  return {
    has: (one) =>
      (groups === undefined || one.groups.some(hasGroup)) &&
      (services === undefined || services.has(one.name)) &&
      !excluded.has(one.name),
    hasGroup,
  }
}
