#!/usr/bin/env -S node --v8-pool-size=0 --max-semi-space-size=4
// The entry point. It is plain JavaScript, because a Node.js that is too old to read TypeScript must still be able to say so.
//
// The line above holds the options of V8 for every way to start, so run this file itself, and not `node` with this file. By default V8 collects its
// youngest garbage when it has grown to 128 MB. With 16 MB V8 is as fast. By default V8 collects with four threads even on one core, and answers
// wait for these threads. A pool size of 0 means one thread less than there are cores. Neither can be set in a process that runs (Node.js 24).
import { readFileSync } from 'node:fs'
import Module from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'

const major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  console.error(
    `Porthole needs Node.js 24 or newer and this is ${process.version}: install Node.js 24. In a checkout, \`npm ci\` brings it, and \`npm start\` uses it.`,
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
// dist/ and src/ lie in the same folder.
const root = fileURLToPath(new URL('..', import.meta.url))
const { createCacheFolder } = await import('./runtime/compile-cache.ts')
// The image and people set this variable. Then Node.js has opened that cache already.
if (process.env.NODE_COMPILE_CACHE === undefined) {
  const folder = createCacheFolder(root, process.env, process.getuid?.() ?? 0)
  if (folder !== null) {
    Module.enableCompileCache(folder)
    // The call is for this thread alone. Other threads read the variable.
    process.env.NODE_COMPILE_CACHE = folder
  }
}
const { main } = await import('./cli/main.ts')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
await main(version, env)
