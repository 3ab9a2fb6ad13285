/** One instruction of a Dockerfile, its continued lines joined: `FROM`, `node:24.21.0-slim`. */
export type Instruction = { readonly name: string; readonly text: string }

/** The instructions of a Dockerfile, in order. */
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

/** An exec form, `["node", "x.js"]`; throws for a shell form, under which a shell would get the signals. */
export function execForm(text: string): string[] {
  const form: unknown = JSON.parse(text.slice(text.indexOf('[')))
  if (!Array.isArray(form) || !form.every((word) => typeof word === 'string')) throw new Error(`no exec form: ${text}`)
  return form
}
