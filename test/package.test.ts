/** Packs Porthole, installs the package into an empty folder as a user would, and runs it there. */
import assert from 'node:assert/strict'
import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { buildDist } from '../tools/build.ts'
import { createFolder, endWithTests, environment, fileScope, limitMs, until } from './support/process.ts'
import { root } from './support/readme.ts'

const { inputs, packages } = await buildDist().then((metafile) => {
  const inputs = Object.keys(metafile.inputs)
  const found = inputs.flatMap((file) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? [])
  return { inputs, packages: new Set(found) }
})
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const folder = createFolder(fileScope())
/** This Node.js is first in PATH. `npm test` sets variables for its children. They must not lead this npm back to the checkout. */
const env = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^npm_(?!config_)|^npm_config_(local_prefix|call|package)$|^NODE_COMPILE_CACHE$/.test(name),
    ),
  ),
  PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
}
const npm = (args: string[], cwd: string) =>
  promisify(execFile)('npm', args, { cwd, env, timeout: 300_000, maxBuffer: 1 << 26 })

const [{ filename, files }] = JSON.parse((await npm(['pack', '--json', '--pack-destination', folder], root)).stdout)
const packed: string[] = files.map(({ path }: { path: string }) => path)
const installed = join(folder, 'node_modules/porthole')
const porthole = join(folder, 'node_modules/.bin/porthole')
const skip = await install()

/** Installs the package. Returns the reason if the npm registry cannot be asked. */
async function install(): Promise<string | false> {
  writeFileSync(join(folder, 'package.json'), '{}')
  const failure = await npm(
    ['install', '--omit=dev', '--ignore-scripts', '--prefer-offline', `./${filename}`],
    folder,
  ).catch((error: Error & { stderr: string }) => error)
  if (!(failure instanceof Error)) return false
  const code = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|ETIMEDOUT|ECONNRESET)\b/.exec(failure.stderr)?.[0]
  if (code !== undefined) return `the npm registry cannot be asked (${code})`
  throw failure
}

/** Runs the installed command to its end. */
async function run(args: string[], path = env.PATH) {
  const child = spawn(porthole, args, { cwd: folder, env: environment({ PATH: path }), timeout: limitMs })
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { status, stdout, stderr }
}

test('the package has the program, its documents, and nothing else', () => {
  const allowed = [
    /^dist\/[\w-]+(\.esm)?\.js(\.map)?$/,
    /^dist\/(page|uPlot\.min)\.css$/,
    /^dist\/LICENSES\.txt$/,
    /^dist\/swagger-ui\/[\w-]+\.(js|css)$/,
    /^openapi\/openapi\.json$/,
    /^deploy\/[\w-]+\.(yaml|service)$/,
    /^docs\/[\w-]+\.(md|yaml|png)$/,
    /^(README|CHANGELOG)\.md$/,
    /^LICENSE$/,
    /^package\.json$/,
  ]
  assert.deepEqual(
    packed.filter((path) => !allowed.some((pattern) => pattern.test(path))),
    [],
  )
  for (const pattern of allowed)
    assert(
      packed.some((path) => pattern.test(path)),
      `nothing is ${pattern}`,
    )
  // The whole folders travel.
  for (const name of ['deploy', 'docs', 'dist']) {
    const all = readdirSync(join(root, name), { recursive: true, withFileTypes: true }).filter((file) => file.isFile())
    assert.equal(packed.filter((path) => path.startsWith(`${name}/`)).length, all.length, name)
  }
})

test('npm runs no script of the package, and installs only what dist/ does not contain', () => {
  for (const name of ['prepare', 'prepack', 'prepublish', 'preinstall', 'install', 'postinstall', 'prestart'])
    assert.equal(manifest.scripts[name], undefined, name)
  assert.equal(manifest.dependencies, undefined)
  assert.deepEqual(Object.keys(manifest.optionalDependencies), ['koffi'])
  assert(!packages.has('koffi'))
  assert.equal(manifest.private, true)
})

test('the package has the licence of everything that dist/ contains', () => {
  assert(packages.size > 20 && inputs.some((file) => file === 'src/porthole.js'))
  const parts = readFileSync(join(root, 'dist/LICENSES.txt'), 'utf8').split(`\n${'-'.repeat(80)}\n`)
  for (const name of [...packages, 'uplot', '@fastify/swagger-ui']) {
    const part = parts.find((text) => text.includes(`\n${name} `)) ?? ''
    assert.match(part, /permission|redistribution|Apache License/i, `${name} has no licence text`)
  }
  assert(parts.some((text) => /swagger-ui \d/.test(text) && text.includes('Apache License')))
})

test('the installed package brings koffi and no other package', { skip }, () => {
  const { packages } = JSON.parse(readFileSync(join(folder, 'node_modules/.package-lock.json'), 'utf8'))
  const names = Object.keys(packages).map((path) => path.replace('node_modules/', ''))
  assert.deepEqual(
    names.filter((name) => !name.startsWith('@koromix/koffi-')),
    ['koffi', 'porthole'],
  )
})

test('the installed command has a version, checks and validates', { skip }, async () => {
  assert.deepEqual(await run(['--version']), { status: 0, stdout: `${manifest.version}\n`, stderr: '' })
  const check = await run(['check', '127.0.0.1:9'])
  assert.deepEqual([check.status, check.stderr], [1, ''])
  // Only the kernel prober knows of the RST.
  assert.match(check.stdout, /127\.0\.0\.1:9\b.*nothing listens on 127\.0\.0\.1:9 \(RST in /)
  writeFileSync(join(folder, 'wrong.yaml'), 'services: { a: { target: [127.0.0.1:9] } }')
  const validate = await run(['validate', 'wrong.yaml'])
  assert.equal(validate.status, 1)
  assert.match(validate.stderr, /wrong\.yaml:1:\d+/)
})

test('the installed command serves with every thread, the status page and the API reference, and stops on SIGTERM', {
  skip,
}, async (t) => {
  // More than the 16,000 bytes from which a thread parses the file.
  const services = Array.from({ length: 600 }, (_, index) => `  s${index}: { targets: [127.0.0.1:9] }\n`).join('')
  const file = join(folder, 'many.yaml')
  writeFileSync(file, `services:\n${services}`)
  const data = join(folder, 'data')
  mkdirSync(data)
  const child = spawn(porthole, ['--config', file], {
    cwd: folder,
    env: environment({ PATH: env.PATH, PORTHOLE_DATA: data, PORTHOLE_PROBER: 'kernel' }),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  endWithTests(child)
  const exited = once(child, 'exit')
  const lines: string[] = []
  createInterface(child.stdout).on('line', (line) => lines.push(line))
  t.after(() => child.kill('SIGKILL'))
  const url = await until('it listens', async () => {
    assert.equal(child.exitCode, null, lines.join('\n'))
    return /Server listening at (http:[^"]+)"/.exec(lines.join('\n'))?.[1]
  })

  const get = async (path: string) => {
    const response = await fetch(url + path)
    assert.equal(response.status, 200, path)
    return response.text()
  }
  const page = await get('/')
  const parts = [...page.matchAll(/(?:src|href)="([^":]+\.(?:js|css)\?[^"]+)"/g)].map(([, path = '']) => path)
  assert(parts.length >= 2, page.slice(0, 2000))
  for (const path of [...parts, ...['plot.js', 'stream.js', 'uplot.js', 'uplot.css'].map((name) => `page/${name}`)])
    assert.notEqual(await get(`/${path.replace(/^\.?\//, '')}`), '')
  const reference = await get('/docs')
  const assets = [...reference.matchAll(/(?:src|href)="(\.[^"]+)"/g)].map(([, path = '']) => path)
  assert(assets.length >= 5, reference)
  for (const path of assets) assert.notEqual(await get(new URL(path, `${url}/docs`).pathname), '')
  assert.equal(JSON.parse(await get('/openapi.json')).info.version, manifest.version)
  // The database is open, and the prober has checked.
  assert(readdirSync(data).some((name) => name.endsWith('.db')))
  await until('a service is down', async () => /"status":"down"/.test(await (await fetch(`${url}/health/s1`)).text()))

  child.kill('SIGTERM')
  assert.deepEqual(await exited, [0, null])
  // No error happened, so nothing needed the source maps, and compiled code was stored for the next start.
  assert.notEqual(readdirSync(join(installed, 'node_modules/.cache/porthole')).length, 0)
})

test('a stack trace of the installed package names a line of TypeScript', { skip }, async () => {
  const chunk =
    readdirSync(join(installed, 'dist')).find((name) => /^main-\w+\.js$/.test(name)) ?? assert.fail('no main')
  const entry = readFileSync(join(installed, 'dist/porthole.js'), 'utf8')
  const imports = entry.match(/import"\.\/chunk-\w+\.js"/g)?.join('\n') ?? assert.fail(entry)
  const program = `${imports}
    import { main } from './${chunk}'
    Object.defineProperty(process, 'argv', { get() { throw new Error('here') } })
    await main('', {}).catch((error) => console.log(error.stack))`
  const file = join(installed, 'dist/try.mjs')
  writeFileSync(file, program)
  const { stdout } = await promisify(execFile)(process.execPath, [file], { timeout: limitMs })
  const [, line = ''] = /src\/cli\/main\.ts:(\d+):\d+/.exec(stdout) ?? assert.fail(stdout)
  const source = readFileSync(join(root, 'src/cli/main.ts'), 'utf8').split('\n')
  assert.match(source[Number(line) - 1] ?? '', /process\.argv/)
})

const older = (process.env.PATH ?? '')
  .split(delimiter)
  .find(
    (path) =>
      Number(/^v(\d+)/.exec(spawnSync(join(path, 'node'), ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1]) < 24,
  )

test('a Node.js that is too old says so in one line', {
  skip: skip || (older === undefined && 'no Node.js older than 24 is in PATH'),
}, async () => {
  const { status, stdout, stderr } = await run(['--version'], [older, '/usr/bin', '/bin'].join(delimiter))
  assert.deepEqual([status, stdout], [1, ''])
  assert.match(stderr, /^Porthole needs Node\.js 24 or newer and this is v\d+\.\d+\.\d+: install Node\.js 24\..*\n$/)
})
