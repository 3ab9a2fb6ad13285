/** Encodes a name as a segment of a path. Quotes are encoded too, so that the path is safe within any quotes of a shell or of YAML. */
export function pathOf(name: string): string {
  return encodeURIComponent(name).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16)}`)
}

/** Returns the URL of a service's page; `root` is the URL of Porthole with a slash at its end. */
export function serviceLink(root: string, name: string): string {
  return `${root}services/${pathOf(name)}`
}
