/** A name as a part of a path. Quotes are written as codes as well, so that the path stands between any in a shell or in YAML. */
export function pathOf(name: string): string {
  return encodeURIComponent(name).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16)}`)
}

/** Where a service's own page is. */
export function serviceLink(root: string, name: string): string {
  return `${root}services/${pathOf(name)}`
}
