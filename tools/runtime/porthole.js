#!/usr/bin/env node
// `npx porthole` looks for dist/porthole.js first. In a checkout without dist/ it finds this file, because npm links it into node_modules/.bin.
import { dirname, join } from 'node:path'

const root = join(dirname(process.argv[1]), '../..')
const { buildIfOld } = await import(join(root, 'tools/build.ts'))
await buildIfOld()
const program = join(root, 'dist/porthole.js')
process.execve(program, [program, ...process.argv.slice(2)])
