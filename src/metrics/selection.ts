import type { Service } from '../domain/service.ts'

/** What a scrape asks for by name; whatever is left out does not matter. */
export type SelectionQuery = {
  readonly group?: Iterable<string> | undefined
  readonly service?: Iterable<string> | undefined
  readonly exclude?: Iterable<string> | undefined
}

/** The services that a narrowed scrape is about, and the groups. */
export type Selection = {
  has(service: Service): boolean
  /** Whether the scrape is about a group as well, if it is one of a service that it is about. */
  hasGroup(name: string): boolean
}

/** Null where the scrape is about all services. */
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
