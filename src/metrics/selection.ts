import type { Service } from '../domain/service.ts'

/** Which services a scrape is about; whatever is left out does not matter. */
export type Selection = {
  readonly group?: readonly string[] | undefined
  readonly service?: readonly string[] | undefined
  readonly exclude?: readonly string[] | undefined
}

/** Whether a service is among those that a scrape is about. */
export function isSelected({ group, service, exclude }: Selection, { name, groups }: Service): boolean {
  return (
    (group === undefined || groups.some((one) => group.includes(one))) &&
    (service === undefined || service.includes(name)) &&
    exclude?.includes(name) !== true
  )
}

/** Whether a scrape is not about all services. */
export function isNarrowed({ group, service, exclude }: Selection): boolean {
  return group !== undefined || service !== undefined || exclude !== undefined
}
