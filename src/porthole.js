#!/usr/bin/env node
// The way in. Plain JavaScript, because a Node.js too old to read TypeScript must still be able to say so.
const major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  console.error(
    `Porthole needs Node.js 24 or newer and this is ${process.version}: run it with \`npm start\` or \`npx porthole\` after \`npm ci\`, which brings the right one.`,
  )
  process.exit(1)
}
const { main } = await import('./main.ts')
await main()
