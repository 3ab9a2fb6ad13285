/** Runs the Dockerfile's steps in a folder that stands for the image's root, because the test machine may have no Docker. */
import assert from 'node:assert/strict'
import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, delimiter, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { execForm, type Instruction, readDockerfile } from './support/dockerfile.ts'
import { root as checkout } from './support/readme.ts'

const instructions = readDockerfile(readFileSync(join(checkout, 'Dockerfile'), 'utf8'))
const textsOf = (list: readonly Instruction[], name: string) =>
  list.filter((instruction) => instruction.name === name).map(({ text }) => text)
/** The instructions of the stage that becomes the image. */
const lastStage = instructions.slice(instructions.findLastIndex(({ name }) => name === 'FROM'))
const all = (name: string) => textsOf(lastStage, name)
const manifest = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'))

/** `npm test` sets variables for its children. They must not lead this npm back to the checkout. */
const env = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !/^npm_(?!config_)|^npm_config_(local_prefix|call|package)$/.test(name),
  ),
)
/** The folders that stand for the roots of the stages. The last one is the image. */
const stages = ['build', 'image'].map((name) => mkdtempSync(join(tmpdir(), `porthole-${name}-`)))
const [buildStage = '', image = ''] = stages
after(() => {
  for (const stage of stages) rmSync(stage, { recursive: true, force: true })
})
const built = await build()
const skip = built === null ? false : built

/** Returns the path on this machine of a path in the image. */
const inImage = (path: string) => (path.startsWith('/') ? join(image, path) : path)

/** Runs COPY, WORKDIR and RUN of both stages. Returns the reason if the npm registry cannot be asked. */
async function build(): Promise<string | null> {
  const roots = stages.values()
  let root = ''
  let folder = ''
  for (const { name, text } of instructions) {
    if (name === 'FROM') {
      root = roots.next().value ?? assert.fail('the Dockerfile has another stage: change this test')
      folder = root
    } else if (name === 'WORKDIR') {
      folder = join(root, text)
      mkdirSync(folder, { recursive: true })
    } else if (name === 'COPY') {
      const from = text.startsWith('--from=build ') ? buildStage : checkout
      const paths = text.replace(/^--from=\S+ /, '').split(' ')
      const target = join(folder, paths.pop() ?? '')
      for (const path of paths) {
        const to = text.endsWith('/') ? join(target, basename(path)) : target
        cpSync(join(from, path), to, { recursive: true })
      }
    } else if (name === 'RUN') {
      const failure = await promisify(execFile)('sh', ['-c', adapted(text)], {
        cwd: folder,
        env,
        timeout: 600_000,
      }).catch((error: Error & { stderr: string }) => error)
      if (!(failure instanceof Error)) continue
      const code = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|ETIMEDOUT|ECONNRESET)\b/.exec(failure.stderr)?.[0]
      if (code !== undefined) return `the npm registry cannot be asked (${code})`
      throw failure
    }
  }
  return null
}

/** Returns a command for this machine. A build of the image cleans its own cache of npm, and is root. */
function adapted(command: string): string {
  return command.replaceAll(' && npm cache clean --force', ' --prefer-offline').replace(' -o 1000 ', ' ')
}

/** Starts the image's ENTRYPOINT on a read-only file system, with the image's ENV, on a free port. */
async function start() {
  const entry = execForm(all('ENTRYPOINT')[0] ?? '')
  // The child ends when this process ends, even if this process is killed.
  const readOnly = `mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"; cd "$1/etc/porthole"
    if touch x 2> /dev/null; then echo "not read-only" >&2; exit 3; fi
    shift; exec setpriv --pdeathsig KILL "$@"`
  const child = spawn('unshare', ['-rm', 'sh', '-euc', readOnly, 'sh', image, ...entry.map(inImage)], {
    env: {
      ...imageEnv(),
      // The image has its Node.js in PATH.
      PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
      PORTHOLE_PORT: '0',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const port = Promise.withResolvers<string>()
  createInterface(child.stdout).on('line', (line) => {
    const found = /Server listening at http:\/\/[^"]+:(\d+)"/.exec(line)?.[1]
    if (found !== undefined) port.resolve(found)
  })
  void exited.then(([code, signal]) => port.reject(new Error(`Porthole ended: ${code ?? signal}`)))
  return { port: await port.promise, child, exited }
}

function imageEnv(): Record<string, string> {
  return Object.fromEntries(
    all('ENV').flatMap((text) =>
      text.split(' ').map((pair): [string, string] => {
        const [name = '', value = ''] = pair.split('=')
        return [name, inImage(value)]
      }),
    ),
  )
}

const noMounts = () => {
  const { error, status, stderr } = spawnSync('unshare', ['-rm', 'true'], { encoding: 'utf8' })
  return status === 0 ? false : `no mount namespace: ${error?.message ?? stderr}`
}

test('the image has the Node.js that the tests run on', () => {
  const { optionalDependencies } = JSON.parse(readFileSync(join(checkout, 'tools/runtime/package.json'), 'utf8'))
  for (const version of Object.values(optionalDependencies))
    assert.deepEqual(textsOf(instructions, 'FROM'), [`node:${version}-slim AS build`, `node:${version}-slim`])
})

test('the image runs as an unprivileged user, given by a number that Kubernetes can read', () => {
  assert.deepEqual(all('USER'), ['1000:1000'])
  const names = lastStage.map(({ name }) => name)
  assert(names.indexOf('USER') < names.indexOf('ENTRYPOINT') && names.indexOf('USER') > names.lastIndexOf('RUN'))
})

test('the exposed port is the port on which Porthole listens', () => {
  assert.deepEqual(all('EXPOSE'), [imageEnv().PORTHOLE_PORT])
})

test('the build context contains the copied files and nothing else', () => {
  const [first, ...kept] = readFileSync(join(checkout, '.dockerignore'), 'utf8')
    .split('\n')
    .filter((line) => /^[^#]/.test(line))
  const copied = textsOf(instructions, 'COPY')
    .filter((text) => !text.startsWith('--from='))
    .flatMap((text) => text.split(' ').slice(0, -1))
  assert.equal(first, '*')
  assert.deepEqual(new Set(kept), new Set(copied.map((path) => `!${path}`)))
})

test('the image has no development dependency', { skip }, () => {
  const modules = join(image, 'app/node_modules')
  const { packages } = JSON.parse(readFileSync(join(modules, '.package-lock.json'), 'utf8'))
  assert.deepEqual(
    Object.keys(packages).filter((name) => packages[name].dev === true && existsSync(join(image, 'app', name))),
    [],
  )
  const lock = JSON.parse(readFileSync(join(checkout, 'package-lock.json'), 'utf8')).packages
  const ofTests = Object.keys(manifest.devDependencies).filter((name) => lock[`node_modules/${name}`].dev === true)
  assert(ofTests.length > 3)
  for (const name of ofTests) assert(!existsSync(join(modules, name)), name)
  assert.deepEqual(readdirSync(modules).sort(), ['.cache', '.package-lock.json', '@koromix', 'koffi'])
  assert.deepEqual(readdirSync(join(image, 'app')).sort(), ['dist', 'node_modules', 'openapi', 'package.json'])
})

test('the image has compiled code of the entry and of the threads', { skip }, () => {
  const folder = join(image, 'app/node_modules/.cache/porthole')
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  assert(files.length > 10, `${files.length} files`)
  // The image runs as another user than the build.
  for (const { parentPath, name } of files) assert.equal(statSync(join(parentPath, name)).mode & 0o444, 0o444)
})

test('the image serves from a read-only file system, is healthy, and stops on SIGTERM', {
  skip: skip || noMounts(),
}, async (t) => {
  // The repository's example says 127.0.0.1, but in the image ENV decides.
  writeFileSync(join(image, 'etc/porthole/porthole.yaml'), readFileSync(join(checkout, 'porthole.yaml')))
  const { port, child, exited } = await start()
  t.after(() => child.kill('SIGKILL'))

  const answer = await fetch(`http://127.0.0.1:${port}/livez`)
  assert.deepEqual([answer.status, await answer.text()], [200, 'ok'])

  const [, ...args] = execForm(all('HEALTHCHECK')[0] ?? '')
  const healthcheck = () =>
    promisify(execFile)(process.execPath, args, { env: { PORTHOLE_PORT: port }, timeout: 120_000 })
  await healthcheck()

  child.kill('SIGTERM')
  assert.deepEqual(await exited, [0, null])
  await assert.rejects(healthcheck(), { code: 1 })
})
