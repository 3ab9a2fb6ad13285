/** One instruction of a Dockerfile, with its continued lines joined: `FROM`, `node:24.21.0-slim`. */
export type Instruction = { readonly name: string; readonly text: string }

/** Returns the instructions of a Dockerfile, in order. */
export function readDockerfile(dockerfile: string): Instruction[] {
  return dockerfile
    .replace(/^#.*\n/gm, '')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [name = '', ...rest] = line.trim().split(/\s+/)
      return { name, text: rest.join(' ') }
    })
}

/** Parses an exec form, `["node", "x.js"]`. Throws for a shell form, because with that a shell would get the signals. */
export function execForm(text: string): string[] {
  const form: unknown = JSON.parse(text.slice(text.indexOf('[')))
  if (!Array.isArray(form) || !form.every((word) => typeof word === 'string')) throw new Error(`no exec form: ${text}`)
  return form
}
