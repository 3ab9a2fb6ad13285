#!/usr/bin/env node
// The way in. Plain JavaScript, because a Node.js too old to read TypeScript must still be able to say so.
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
// libuv reads it when it starts its threads, so it is set before anything is loaded. Look-ups of names run on half of them, and one that no
// name server answers holds its thread for five seconds or more. A thread that waits takes less than 10 kB.
process.env.UV_THREADPOOL_SIZE ??= '64'
// What a check makes is garbage a moment later. V8 saw much of that outlive a start, and from then on would put all of it where only
// a collection of everything finds it.
setFlagsFromString('--no-allocation-site-pretenuring')
// What the command line says of this counts for every thread that is not created yet, whatever its own limits are: 0 is as if it said nothing.
setFlagsFromString('--max-semi-space-size=0')
// Beside what it is made from, so that nobody else can put anything there; where that cannot be written, each start compiles anew.
Module.enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/porthole', import.meta.url)))
const { main } = await import('./main.ts')
await main()
