/** Porthole as a process: its output, its answers, and its end. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import net, { type AddressInfo } from 'node:net'
import { delimiter, join } from 'node:path'
import { describe, test } from 'node:test'
import packageJson from '../../package.json' with { type: 'json' }
import { listen, listenDeaf, nobody } from '../support/app.ts'
import { createFolder, porthole, run, runPorthole, start, until } from '../support/process.ts'

// Run them in parallel, because a process spends most of its time on its start and on waiting.
describe('porthole', { concurrency: 3 }, () => {
  test('--help and --version print and exit with 0', async (t) => {
    for (const option of ['--help', '-h']) {
      const { status, stdout, stderr } = await runPorthole(t, [option])
      assert.deepEqual([status, stderr], [0, ''])
      assert.match(stdout, /^Porthole makes TCP services checkable over HTTP\.\n\n {2}porthole \[TARGET \.\.\.\]/)
    }
    assert.deepEqual((await runPorthole(t, ['--version'])).stdout, `${packageJson.version}\n`)
    for (const command of ['check', 'wait', 'status', 'validate']) {
      const { status, stdout, stderr } = await runPorthole(t, [command, '--help'])
      assert.deepEqual([status, stderr, stdout.startsWith(`porthole ${command} `)], [0, '', true])
      assert.match(stdout, /\nExit status: /)
    }
  })

  test('compiled code is cached beside the sources for the next start, and nowhere else', async (t) => {
    const elsewhere = createFolder(t)
    assert.equal((await runPorthole(t, ['--version'], { TMPDIR: elsewhere })).status, 0)
    assert.deepEqual(readdirSync(elsewhere), [])
    const kept = readdirSync(new URL('../../node_modules/.cache/porthole/', import.meta.url), { recursive: true })
    assert.ok(kept.length > 10, `${kept}`)
  })

  for (const [args, complaint] of [
    [['--confg', 'x.yaml'], /^porthole: there is no option --confg: did you mean --config\?\n/],
    [['--config'], /^porthole: Option '--config <value>' argument missing\n/],
    [
      ['--timeout=2s', 'db=127.0.0.1:1'],
      /^porthole: --timeout belongs to `porthole check`, and a command comes first\n/,
    ],
    [['chekc', nobody], /^porthole: there is no command "chekc": did you mean `porthole check`\?\n/],
    [['check'], /^porthole: name a target, such as `porthole check 127\.0\.0\.1:5432`\n/],
    [['check', nobody, '--timeout', '5'], /^porthole: --timeout 5: write a duration such as 500ms or 2s\n/],
    [['check', nobody, '--close', 'soft'], /^porthole: --close soft: write half-open, rst or fin\n/],
    [['wait', nobody, '--'], /^porthole: name a command after --, or leave -- out\n/],
    [['status', 'localhost:8080'], /^porthole: "localhost:8080" is no URL: write http:\/\/localhost:8080\n/],
    [['validate'], /^porthole: `porthole validate` takes one FILE\n/],
    [[], /^porthole: there is no porthole\.yaml here: name one with --config FILE, or name targets, such as/],
  ] as const) {
    test(`wrong usage: \`porthole ${args.join(' ')}\` names the mistake, shows the usage and exits with 2`, async (t) => {
      const { status, stdout, stderr } = await runPorthole(t, [...args])
      assert.deepEqual([status, stdout], [2, ''])
      assert.match(stderr, complaint)
      assert.match(stderr, /\n\n(Porthole makes|porthole (check|wait|status|validate) )/)
    })
  }

  test('a configuration with problems is not served: a line for each, and exit 1', async (t) => {
    const { status, stdout, stderr } = await runPorthole(t, ['db=127.0.0.1', 'x=1:y'], { PORTHOLE_PORT: 'http' })
    assert.deepEqual([status, stdout, stderr.trimEnd().split('\n').length], [1, '', 3])
    const missing = await runPorthole(t, ['--config', 'nowhere.yaml'])
    assert.deepEqual(
      [missing.status, missing.stderr],
      [1, 'nowhere.yaml: there is no such file: write it, or name another one with --config FILE\n'],
    )
  })

  test('check dials once and exits with 0 or 1', async (t) => {
    const { target } = await listen(t)
    const up = await runPorthole(t, ['check', target])
    assert.deepEqual([up.status, up.stderr], [0, ''])
    const { status, stdout } = await runPorthole(t, ['check', nobody, '--timeout', '500ms'])
    assert.equal(status, 1)
    assert.match(stdout, /^127\.0\.0\.1:1 is down: .*nothing listens on 127\.0\.0\.1:1/)
    const several = await runPorthole(t, ['check', '--json', '--close', 'fin', nobody, target])
    const reports = several.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.deepEqual(
      reports.map(({ target, status }) => [target, status]),
      [
        [nobody, 'down'],
        [target, 'up'],
      ],
    )
    assert.deepEqual([several.status, several.stderr], [1, ''])
  })

  test('a port that is taken: one line with the remedy, exit 1, and nothing is left running', async (t) => {
    const server = net.createServer().listen(0, '127.0.0.1')
    t.after(() => server.close())
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const { status, stderr } = await runPorthole(t, [`db=${nobody}`], {
      PORTHOLE_PORT: `${port}`,
      PORTHOLE_LOG_LEVEL: 'error',
    })
    const remedy = 'set listen in the configuration, or PORTHOLE_HOST and PORTHOLE_PORT'
    assert.equal(stderr, `porthole: 127.0.0.1:${port} is taken by another program: stop it, or ${remedy}\n`)
    assert.equal(status, 1)
  })

  test("an address that is not this machine's: one line with the remedy, and exit 1", async (t) => {
    // 192.0.2.0/24 belongs to no machine (RFC 5737). Binding to it sends no packet.
    const { status, stderr } = await runPorthole(t, [`db=${nobody}`], { PORTHOLE_HOST: '192.0.2.1' })
    assert.match(
      stderr,
      /^porthole: cannot listen on 192\.0\.2\.1:0 \(EADDRNOTAVAIL\): set listen in the configuration, or .*\n$/,
    )
    assert.equal(status, 1)
  })

  test('it serves the targets of the command line, and logs no request and no first change to up', async (t) => {
    const { target } = await listen(t)
    const { url, lines, logged, health, errors } = await start(t, [`db=${target}`, `gone=${nobody}`])
    await logged(/^gone is down|^127\.0\.0\.1:1 is down/)
    await until('db is up', async () => (await health('db')).code === 200)
    assert.equal((await health('gone')).body.status, 'down')
    for (const path of ['/health', '/nope', '/health?quorum=x', '/metrics', '/readyz'])
      await (await fetch(url + path)).text()
    const said = lines.filter(({ level }) => level >= 30).map(({ msg }) => msg)
    assert.deepEqual(said.toSpliced(2, 1).slice(0, -1), [
      `Porthole ${packageJson.version}, Node.js ${process.version}, kernel prober, nothing is stored`,
      'configuration in force',
      `Server listening at ${url}`,
      `status page: ${url}/`,
      `API reference: ${url}/docs`,
      `metrics: ${url}/metrics`,
      'the kernel prober checks: it runs here',
    ])
    assert.match(said[2] ?? '', /^memory only: .*set data or PORTHOLE_DATA to keep them$/)
    assert.match(
      said.at(-1) ?? '',
      /^gone is down: 0 of 1 targets up; 127\.0\.0\.1:1: .*nothing listens on 127\.0\.0\.1:1/,
    )
    assert.equal(errors(), '')
  })

  test('after a change of the file new services appear, removed ones go, and the others retain their state', async (t) => {
    const { target } = await listen(t)
    const file = join(createFolder(t), 'porthole.yaml')
    const services = (...names: string[]) =>
      `services:\n${names.map((name) => `  ${name}: { targets: ["${target}"], interval: 200ms }\n`).join('')}`
    writeFileSync(file, services('stays', 'goes'))
    const { health, logged, lines, metric } = await start(t, ['--config', file])
    const checksOfStays = async () =>
      (await metric('porthole_target_checks_total'))[`{service="stays",target="${target}"}`]
    const successful = async () => (await metric('porthole_config_last_reload_successful'))['']
    await until(
      'stays is up and checked twice',
      async () => Number(await checksOfStays()) >= 2 && (await health('goes')).code === 200,
    )
    const { since } = (await health('stays')).body
    const before = Number(await checksOfStays())

    // Replace the file by a new one, as editors and Kubernetes do.
    const replace = (text: string) => {
      writeFileSync(`${file}.new`, text)
      renameSync(`${file}.new`, file)
    }
    let seen = lines.length
    replace(services('stays', 'comes'))
    const { services: count, changed, removed } = await logged(/^configuration in force/, seen)
    assert.deepEqual([count, changed, removed], [2, 1, 1])
    assert.equal((await health('goes')).code, 404)
    await until('comes is up', async () => (await health('comes')).code === 200)
    assert.equal((await health('stays')).body.since, since)
    assert.ok(Number(await checksOfStays()) >= before)

    seen = lines.length
    replace('services: { stays: { targets: [no-port] } }')
    const broken = await logged(/^the configuration has problems/, seen)
    assert.equal(broken.level, 50)
    assert.match(JSON.stringify(broken.problems), /porthole\.yaml:1:\d+: services\.stays\.targets\[0\]: .*no port/)
    assert.equal(await successful(), 0)
    assert.deepEqual([(await health('stays')).code, (await health('comes')).code], [200, 200])
    assert.equal((await health('stays')).body.since, since)

    seen = lines.length
    replace(services('stays'))
    await logged(/^configuration in force/, seen)
    assert.equal(await successful(), 1)
    assert.deepEqual([(await health('stays')).code, (await health('comes')).code], [200, 404])
  })

  test('SIGHUP reloads the file, also if no event reports its change', async (t) => {
    const file = join(createFolder(t), 'porthole.yaml')
    const elsewhere = join(createFolder(t), 'porthole.yaml')
    symlinkSync(elsewhere, file)
    writeFileSync(elsewhere, 'services: {}')
    const { child, logged, lines, url } = await start(t, ['--config', file])
    const seen = lines.length
    const fixed = 'transitions: { keepFor: 1d }\nshutdownDelay: 0s'
    writeFileSync(elsewhere, `services: { db: { targets: ["${nobody}"] } }\n${fixed}`)
    child.kill('SIGHUP')
    const { changed, removed } = await logged(/^configuration in force/, seen)
    assert.deepEqual([changed, removed], [1, 0])
    const { settings } = await logged(/^these settings changed, and take effect at the next start$/, seen)
    assert.deepEqual(settings, ['transitions', 'shutdownDelay'])
    assert.equal((await fetch(`${url}/livez`)).status, 200)
  })

  /** Returns a file of `count` services that are checked only on demand. Each generation defines other services. */
  const many = (count: number, generation: number) =>
    JSON.stringify({
      shutdownDelay: '0s',
      services: Object.fromEntries(
        Array.from({ length: count }, (_, i) => [
          `s${i + generation}`,
          { targets: [nobody], interval: 'off', fall: generation },
        ]),
      ),
    })

  test('a large file is loaded and reloaded, and at most 100 of its problems or pieces of advice are logged', async (t) => {
    const file = join(createFolder(t), 'porthole.json')
    writeFileSync(file, many(3000, 1))
    const { child, logged, lines, health } = await start(t, ['--config', file])
    assert.equal((await health('s3000')).code, 503)
    const reload = (text: string, pattern: RegExp) => {
      const seen = lines.length
      writeFileSync(`${file}~`, text)
      renameSync(`${file}~`, file)
      child.kill('SIGHUP')
      return logged(pattern, seen)
    }
    const { services, changed, removed } = await reload(many(2500, 2), /^configuration in force/)
    assert.deepEqual([services, changed, removed], [2500, 2500, 500])
    assert.deepEqual([(await health('s1')).code, (await health('s2')).code], [404, 503])

    const { problems } = await reload(
      many(2000, 3).replaceAll('"fall":3', '"fall":0'),
      /^the configuration has problems/,
    )
    assert.ok(Array.isArray(problems))
    assert.equal(problems.length, 101)
    assert.match(String(problems[0]), /porthole\.json:1:\d+: services\.s3\.fall: 0 is out of range/)
    assert.equal(problems[100], `1900 more: porthole validate ${file} lists all`)
    assert.equal((await health('s2')).code, 503)

    await reload(many(300, 4).replaceAll('"fall":4', '"timeout":"1s"'), /^200 more: porthole validate .* lists all$/)
    assert.equal((await health('s4')).code, 503)
  })

  test('SIGTERM ends it while a large file is being read', async (t) => {
    const file = join(createFolder(t), 'porthole.json')
    writeFileSync(file, many(10, 1))
    const { child, ended, errors } = await start(t, ['--config', file])
    writeFileSync(file, many(20_000, 2))
    child.kill('SIGHUP')
    child.kill('SIGTERM')
    assert.deepEqual(await ended, { code: 0, signal: null })
    assert.equal(errors(), '')
  })

  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    test(`${signal} ends it with 0${signal === 'SIGHUP' ? ' if there is no file to reload' : ''}`, async (t) => {
      const { child, ended, logged, errors } = await start(t, [`db=${nobody}`])
      child.kill(signal)
      assert.deepEqual(await ended, { code: 0, signal: null })
      assert.equal((await logged(/^closing$/)).signal, signal)
      assert.equal(errors(), '')
    })
  }

  test('on SIGTERM /readyz fails at once, while new requests and requests under way are still answered', async (t) => {
    const deaf = await listenDeaf(t)
    const file = join(createFolder(t), 'porthole.yaml')
    writeFileSync(
      file,
      `shutdownDelay: 2s\nservices:\n  deaf: { targets: ["${deaf}"], interval: off, timeout: 2500ms }`,
    )
    const { child, ended, url, metric, health } = await start(t, ['--config', file])
    const asked = health('deaf')
    await until('the check is under way', async () => (await metric('porthole_checks_in_flight'))[''] === 1)
    child.kill('SIGTERM')
    const readyz = await until('readyz fails', async () => {
      const response = await fetch(`${url}/readyz`)
      const text = await response.text()
      return response.status === 503 && text
    })
    assert.match(readyz, /\[-\]shutdown failed: Porthole is shutting down/)
    assert.equal((await fetch(`${url}/livez`)).status, 200)
    const { code, body } = await asked
    assert.deepEqual([code, body.status, body.targets[0]?.reason], [503, 'down', 'timeout'])
    assert.deepEqual(await ended, { code: 0, signal: null })
  })

  test('a check that hangs is abandoned at the end, without a verdict, and its client gets an answer', async (t) => {
    const deaf = await listenDeaf(t)
    const file = join(createFolder(t), 'porthole.yaml')
    writeFileSync(file, `shutdownDelay: 0s\nservices:\n  deaf: { targets: ["${deaf}"], interval: off, timeout: 60s }`)
    const { child, ended, metric, health, lines } = await start(t, ['--config', file])
    const asked = health('deaf')
    await until('the check is under way', async () => (await metric('porthole_checks_in_flight'))[''] === 1)
    child.kill('SIGTERM')
    const { code, body } = await asked
    assert.deepEqual([code, body.status, body.targets[0]?.reason], [503, 'unknown', null])
    assert.deepEqual(await ended, { code: 0, signal: null })
    assert.ok(lines.every(({ msg }) => !msg.includes('deaf is')))
  })

  test('clients that do not close their connections, silent or sending nonsense, do not delay the end', async (t) => {
    const file = join(createFolder(t), 'porthole.yaml')
    writeFileSync(file, 'shutdownDelay: 0s\nservices: {}')
    const { child, ended, url } = await start(t, ['--config', file])
    for (const bytes of [
      '',
      'GET /livez HTTP/1.1\r\nHost: x\r\n',
      'nonsense\r\n\r\n',
      'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n',
    ]) {
      const socket = net.connect({ port: Number(new URL(url).port), host: '127.0.0.1', allowHalfOpen: true })
      t.after(() => socket.destroy())
      socket.on('error', () => undefined).resume()
      await once(socket, 'connect')
      socket.write(bytes)
    }
    child.kill('SIGTERM')
    assert.deepEqual(await ended, { code: 0, signal: null })
  })

  test('a second signal ends it at once, and not with 0', async (t) => {
    const file = join(createFolder(t), 'porthole.yaml')
    writeFileSync(file, 'shutdownDelay: 60s\nservices: {}')
    const { child, ended, logged } = await start(t, ['--config', file])
    child.kill('SIGTERM')
    await logged(/^closing$/)
    child.kill('SIGTERM')
    assert.deepEqual(await ended, { code: 1, signal: null })
  })

  const tooOld =
    /^Porthole needs Node\.js 24 or newer and this is v\d+\.\d+\.\d+: install Node\.js 24\. In a checkout, `npm ci` brings it, and `npm start` uses it\.\n$/

  test('a Node.js whose version is too old gets one sentence and exit 1', async (t) => {
    const pretend = "data:text/javascript,Object.defineProperty(process,'versions',{value:{node:'22.1.0'}})"
    const { status, stdout, stderr } = await run(t, process.execPath, ['--import', pretend, porthole])
    assert.deepEqual([status, stdout], [1, ''])
    assert.match(stderr, tooOld)
  })

  const oldNode = (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'node'))
    .find((node) => Number(/^v(\d+)/.exec(spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1]) < 24)
  const noOldNode = oldNode === undefined && 'no Node.js older than 24 is on the PATH'

  test('a real Node.js that is too old gets the sentence too', { skip: noOldNode }, async (t) => {
    const { status, stderr } = await run(t, oldNode ?? '', [porthole, '--version'])
    assert.equal(status, 1)
    assert.match(stderr, tooOld)
  })
})
