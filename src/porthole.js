#!/usr/bin/env -S node --v8-pool-size=0 --max-semi-space-size=4
// The entry point. It is plain JavaScript, because a Node.js that is too old to read TypeScript must still be able to say so.
import { readFileSync } from 'node:fs'
import Module from 'node:module'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'

const major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  console.error(
    `Porthole needs Node.js 24 or newer and this is ${process.version}: run it with \`npm start\` or \`npx porthole\` after \`npm ci\`, which brings the right one.`,
  )
  process.exit(1)
}
/** The environment as it was given, for programs that Porthole runs. */
const env = { ...process.env }
// libuv reads this when it starts its threads, so set it before anything is loaded. Look-ups of names run on half of the threads. A look-up that
// no name server answers holds its thread for 5 s or more. A thread that waits takes less than 10 kB.
process.env.UV_THREADPOOL_SIZE ??= '64'
// The objects of a check are garbage a moment later. During a start V8 sees many of them survive. From then on it would allocate all of them in
// the old generation, where only a full collection finds them.
setFlagsFromString('--no-allocation-site-pretenuring')
// The value of the command line would apply to every thread that is created later, regardless of the limits of that thread. 0 restores the
// default.
setFlagsFromString('--max-semi-space-size=0')
// The cache lies beside the code, so that no other user can put anything there. If the directory cannot be written, each start compiles all code
// again.
Module.enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/porthole', import.meta.url)))
const { main } = await import('./cli/main.ts')
// dist/ and src/ lie in the same folder.
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
await main(version, env)
