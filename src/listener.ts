/** Why Porthole cannot listen there, and what to do about it; what is no fault of the place is thrown on. */
export function whyNoListener(
  error: NodeJS.ErrnoException,
  { host, port }: { readonly host: string; readonly port: number },
): string {
  const where = `${host}:${port}`
  const remedy = 'set listen in the configuration, or PORTHOLE_HOST and PORTHOLE_PORT'
  switch (error.code) {
    case 'EADDRINUSE':
      return `${where} is taken by another program: stop it, or ${remedy}`
    case 'EACCES':
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
    case 'EAI_AGAIN':
    case 'ENOTFOUND':
      return `cannot listen on ${where} (${error.code}): ${remedy}`
    default:
      throw error
  }
}
