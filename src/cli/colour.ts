/**
 * Returns whether an output gets colours: a terminal does. NO_COLOR prevents it (https://no-color.org), and FORCE_COLOR decides over both, as in
 * Node.js itself.
 */
export function wantsColour(env: Readonly<Record<string, string | undefined>>, isTerminal: boolean): boolean {
  const { FORCE_COLOR: forced = '', NO_COLOR: refused = '', TERM } = env
  if (forced !== '') return forced !== '0' && forced !== 'false'
  return isTerminal && refused === '' && TERM !== 'dumb'
}
