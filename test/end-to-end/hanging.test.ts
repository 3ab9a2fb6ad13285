/** The behaviour of Porthole if a file system hangs, or if a pipe or a device takes the place of a file. */
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { mountHung, noHungMount } from '../support/hung-mount.ts'
import { enterNamespace } from '../support/namespace.ts'
import { createFolder, environment, launch, porthole, runPorthole, start, until } from '../support/process.ts'

const noNamespace = await enterNamespace(import.meta.filename)
const skip = noNamespace || noHungMount

const configOf = (service: string) =>
  `shutdownDelay: 0s\nservices: { ${service}: { targets: ["127.0.0.1:1"], interval: off } }\n`

/** Replaces a file by another one in a single step. */
function replace(file: string, make: (path: string) => void): void {
  make(`${file}~`)
  renameSync(`${file}~`, file)
}

const makePipe = (path: string) => void execFileSync('mkfifo', [path])

/** Returns the number of threads of a process that wait for a file system that hangs. */
function threadsThatHang(pid: number): number {
  const tasks = `/proc/${pid}/task`
  return readdirSync(tasks).filter((task) => /fuse|request_wait/.test(readFileSync(join(tasks, task, 'wchan'), 'utf8')))
    .length
}

test('a pipe in the place of the configuration is logged, the next good file is read, and SIGTERM ends Porthole', {
  skip: noNamespace,
}, async (t) => {
  const file = join(createFolder(t), 'porthole.yaml')
  writeFileSync(file, configOf('old'))
  const { child, ended, logged, lines, metric, health } = await start(t, ['--config', file])
  replace(file, makePipe)
  const { problems } = await logged(/^the configuration has problems/)
  assert.match(String(problems), /porthole\.yaml: this is a pipe: put a regular file in its place, or a symbolic link/)
  assert.equal((await metric('porthole_config_last_reload_successful'))[''], 0)
  const seen = lines.length
  child.kill('SIGHUP')
  await logged(/^the configuration has problems/, seen)
  replace(file, (path) => writeFileSync(path, configOf('new')))
  child.kill('SIGHUP')
  await until('the good file is in force', async () => (await health('new')).code === 503)
  assert.equal((await metric('porthole_config_last_reload_successful'))[''], 1)
  replace(file, makePipe)
  child.kill('SIGHUP')
  child.kill('SIGTERM')
  assert.deepEqual(await ended, { code: 0, signal: null })
})

test('a configuration on a file system that hangs holds one thread and is logged, and the next good file is read', {
  skip,
}, async (t) => {
  const folder = createFolder(t)
  const file = join(folder, 'porthole.yaml')
  writeFileSync(join(folder, 'good.yaml'), configOf('old'))
  symlinkSync('good.yaml', file)
  const { child, ended, logged, lines, metric, health, url } = await start(t, ['--config', file])
  const hung = await mountHung(t)
  replace(file, (path) => symlinkSync(join(hung.folder, 'porthole.yaml'), path))
  const { problems } = await logged(/^the configuration has problems/)
  assert.match(String(problems), /cannot be read within 10 s: see whether its file system hangs/)
  assert.equal((await metric('porthole_config_last_reload_successful'))[''], 0)
  for (let i = 0; i < 5; i++) {
    const seen = lines.length
    child.kill('SIGHUP')
    await logged(/^the configuration has problems/, seen)
  }
  assert.equal(threadsThatHang(child.pid ?? 0), 1)
  assert.equal((await fetch(`${url}/livez`)).status, 200)
  writeFileSync(join(folder, 'good.yaml'), configOf('new'))
  replace(file, (path) => symlinkSync('good.yaml', path))
  await hung.release()
  child.kill('SIGHUP')
  await until('the good file is in force', async () => (await health('new')).code === 503)
  const again = await mountHung(t)
  const seen = lines.length
  replace(file, (path) => symlinkSync(join(again.folder, 'porthole.yaml'), path))
  child.kill('SIGHUP')
  await logged(/^the configuration has problems/, seen)
  child.kill('SIGTERM')
  assert.deepEqual(await ended, { code: 0, signal: null })
})

test('a data directory on a file system that hangs is logged, answers and checks go on, and Porthole ends after its grace period', {
  skip,
}, async (t) => {
  const hung = await mountHung(t)
  const file = join(createFolder(t), 'porthole.yaml')
  writeFileSync(file, configOf('db'))
  const { child, ended, logged, health } = await start(t, ['--config', file], {
    PORTHOLE_DATA: join(hung.folder, 'data'),
  })
  const { failure } = await logged(/^the store fails/)
  assert.match(String(failure), /^the sqlite store has not answered for 5 s: see whether its disk hangs/)
  assert.equal((await health('db')).code, 503)
  child.kill('SIGTERM')
  // The exit code is not 0, because the process could not close the store.
  assert.deepEqual(await ended, { code: 1, signal: null })
  await logged(/^closing takes too long, because something hangs: it is cut short$/)
})

test('SIGTERM ends a start that waits for a pipe, or for a file system that hangs', { skip }, async (t) => {
  const pipe = join(createFolder(t), 'pipe')
  makePipe(pipe)
  const hung = await mountHung(t)
  for (const args of [
    ['--config', pipe],
    ['--config', join(hung.folder, 'porthole.yaml')],
  ]) {
    const { child, ended, errors } = launch(t, args)
    // The handler of the signal exists before the file is opened.
    await until('it waits', async () => threadsThatWait(child.pid ?? 0) > 0)
    child.kill('SIGTERM')
    assert.deepEqual(await ended, { code: 0, signal: null })
    assert.equal(errors(), 'porthole: SIGTERM while it starts: closing\n')
  }
})

test('a bug while a start waits for a pipe ends the process with the error', { skip: noNamespace }, async (t) => {
  const pipe = join(createFolder(t), 'pipe')
  makePipe(pipe)
  const bug = "data:text/javascript,process.once('SIGUSR2',()=>{throw new Error('a bug of the test')})"
  const { child, ended, errors } = launch(t, ['--config', pipe], { NODE_OPTIONS: `--import "${bug}"` })
  await until('it waits', async () => threadsThatWait(child.pid ?? 0) > 0)
  child.kill('SIGUSR2')
  assert.deepEqual(await ended, { code: 1, signal: null })
  assert.match(errors(), /Error: a bug of the test\n +at /)
})

/** Returns the number of threads of a process that wait in open(2), for a pipe or for a file system that hangs. */
function threadsThatWait(pid: number): number {
  const tasks = `/proc/${pid}/task`
  const waits = /fuse|request_wait|wait_for_partner|fifo_open/
  return readdirSync(tasks).filter((task) => waits.test(readFileSync(join(tasks, task, 'wchan'), 'utf8'))).length
}

test('a configuration that comes through a pipe is read once', { skip: noNamespace }, async (t) => {
  const pipe = join(createFolder(t), 'pipe')
  makePipe(pipe)
  const launched = launch(t, ['--config', pipe])
  const writer = spawn('sh', ['-c', `printf '%s' "$TEXT" > ${pipe}`], {
    env: { PATH: process.env.PATH, TEXT: configOf('piped') },
  })
  await once(writer, 'close')
  await launched.logged(/^the configuration came through a pipe: it is read once$/)
  const { msg } = await launched.logged(/^Server listening at /)
  assert.equal((await fetch(`${msg.replace('Server listening at ', '')}/health/piped`)).status, 503)
  launched.child.kill('SIGHUP')
  launched.child.kill('SIGTERM')
  assert.deepEqual(await launched.ended, { code: 0, signal: null })
})

test('validate reads a pipe once, and stops after 64 MiB or 30 s', { skip: noNamespace }, async (t) => {
  // Use a pipe of the shell, because Node.js gives its children sockets.
  const validate = (file: string, TEXT: string) =>
    spawnSync('sh', ['-c', `printf '%s' "$TEXT" | "$0" "$@"`, process.execPath, porthole, 'validate', file], {
      env: environment({ TEXT }),
      encoding: 'utf8',
    })
  const fine = validate('/dev/stdin', configOf('db'))
  assert.deepEqual([fine.status, fine.stdout], [0, '/dev/stdin: ok, 1 service, 1 target\n'])
  const endless = validate('/dev/zero', '')
  assert.deepEqual([endless.status, endless.stdout], [1, ''])
  assert.match(endless.stderr, /^\/dev\/zero: the file has more than 64 MiB, which is the most for a configuration/)
  const pipe = join(createFolder(t), 'pipe')
  makePipe(pipe)
  const { status, stderr } = await runPorthole(t, ['validate', pipe])
  assert.equal(status, 1)
  assert.match(stderr, /pipe: this is a pipe, and the program that writes to it did not close it within 30 s/)
})

for (const [name, command] of [
  ['any process', []],
  ['process 1 of a container', ['unshare', '--fork', '--pid', '--kill-child']],
] as const) {
  for (const koffi of ['with koffi', 'without koffi']) {
    test(`${name} ${koffi} ends with its exit code although a thread is stuck`, { skip: noNamespace }, async (t) => {
      const pipe = join(createFolder(t), 'pipe')
      makePipe(pipe)
      const exit = pathToFileURL(join(import.meta.dirname, '../../src/runtime/exit.ts')).href
      const without = `import { registerHooks } from 'node:module'
        registerHooks({ resolve(name, context, next) {
          if (name === 'koffi') throw new Error('it is not installed')
          return next(name, context)
        } })`
      const program = `
        import { open } from 'node:fs'
        import { Worker } from 'node:worker_threads'
        import { awaitsSystem, exitAtOnce } from ${JSON.stringify(exit)}
        open(${JSON.stringify(pipe)}, () => undefined)
        const worker = new Worker('require("node:fs").openSync(${JSON.stringify(pipe)})', { eval: true, execArgv: [] })
        worker.once('online', () => setTimeout(() => process.exit(7), 200))
        process.once('exit', (code) => {
          if (awaitsSystem()) exitAtOnce(code)
        })`
      const args = ['--input-type=module', '-e', program]
      if (koffi === 'without koffi') args.unshift('--import', `data:text/javascript,${encodeURIComponent(without)}`)
      const [file = process.execPath, ...rest] = [...command, process.execPath, ...args]
      const child = spawn(file, rest, { stdio: ['ignore', 'inherit', 'inherit'] })
      t.after(() => child.kill('SIGKILL'))
      assert.deepEqual(await once(child, 'exit'), [7, null])
    })
  }
}
