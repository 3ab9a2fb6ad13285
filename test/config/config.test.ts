import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseConfig } from '../../src/config/config.ts'
import { formatPath, formatProblem } from '../../src/config/problem.ts'
import { readConfig } from '../../src/config/read.ts'
import { locationOf } from '../../src/config/syntax/source-locations.ts'
import { defaultLimits } from '../../src/domain/service/limits.ts'

type Input = { text?: string; name?: string; targets?: string[]; env?: Record<string, string> }

function parse({ text, name = 'porthole.yaml', targets = [], env = {} }: Input) {
  return parseConfig({ file: text === undefined ? null : { name, text }, targets, env })
}

function accepted(input: Input) {
  const result = parse(input)
  assert.ok(result.ok, JSON.stringify(result))
  return result
}

function problemsOf(input: Input): string[] {
  const result = parse(input)
  return result.ok ? [] : result.problems.map(formatProblem)
}

const secret = 'correct-horse-battery-staple'
/** The output of `printf %s correct-horse-battery-staple | sha256sum`. */
const secretHash = '87cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590'
/** The hash of another token. */
const otherHash = '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae'

test('a short file gets the defaults', () => {
  const { config, notes } = accepted({ text: 'services: {}' })
  const { sourceLocations: _, ...settings } = config
  assert.deepEqual(settings, {
    listen: { host: '0.0.0.0', port: 8080, hosts: null },
    services: [],
    groups: [],
    defaults: {},
    access: { tokens: [], details: 'all' },
    data: null,
    replicas: null,
    dial: {},
    limits: { services: 10_000, targets: 100, groups: 20, nameLength: 200, targetLength: 260, bodyBytes: 65_536 },
    retention: { maxAgeMs: 30 * 86_400_000, maxCount: 100_000 },
    metrics: { omit: [] },
    maxInFlight: null,
    shutdownDelayMs: 1000,
    logLevel: 'info',
    logFormat: 'auto',
    prober: 'auto',
  })
  assert.deepEqual(notes, [
    'there are no services: name some under services, or set PORTHOLE_TOKEN so that they can be registered over HTTP',
  ])
})

test('everything in the file reaches the configuration', () => {
  const { config, advice, notes } = accepted({
    text: `
listen: { host: "::1", port: 0, hosts: [porthole.example.org, Mon_itor.] }
maxInFlight: 500
shutdownDelay: 0s
defaults: { timeout: 3s, fall: 5 }
services:
  postgres: { targets: [db-1:5432, "[::1]:5432"], quorum: 50%, groups: [payments, payments], interval: off }
  redis: { targets: [cache:6379], groups: [search, payments], timeout: 4s }
groups:
  payments: { quorum: any }
  search: {}
tokens: { deploy: "sha256:${otherHash.toUpperCase()}" }
details: token
data: /var/lib/porthole
dial: { allow: [10.0.0.0/8], deny: [10.1.2.3], loopback: true, private: false }
limits: { services: 20000, bodyBytes: 1024 }
transitions: { keepFor: 7d, keepAtMost: 1000 }
`,
  })
  assert.deepEqual(config.listen, { host: '::1', port: 0, hosts: ['porthole.example.org', 'Mon_itor.'] })
  assert.equal(config.maxInFlight, 500)
  assert.equal(config.shutdownDelayMs, 0)
  assert.deepEqual(config.groups, [
    { name: 'payments', quorum: 'any' },
    { name: 'search', quorum: 'all' },
  ])
  assert.deepEqual(config.access, { tokens: [{ name: 'deploy', sha256: otherHash }], details: 'token' })
  assert.equal(config.data, '/var/lib/porthole')
  assert.deepEqual(config.dial, { allow: ['10.0.0.0/8'], deny: ['10.1.2.3'], loopback: true, private: false })
  assert.deepEqual(config.limits, { ...defaultLimits, services: 20_000, bodyBytes: 1024 })
  assert.deepEqual(config.retention, { maxAgeMs: 7 * 86_400_000, maxCount: 1000 })
  assert.deepEqual(config.defaults, { timeout: 3000, fall: 5 })
  const [postgres, redis] = config.services
  assert.deepEqual([postgres?.name, postgres?.quorum, postgres?.groups], ['postgres', '50%', ['payments']])
  assert.deepEqual(
    postgres?.targets.map(({ host, port }) => [host, port]),
    [
      ['db-1', 5432],
      ['::1', 5432],
    ],
  )
  assert.equal(postgres?.policy.intervalMs, null)
  assert.deepEqual([advice, notes], [[], []])
  assert.deepEqual([postgres?.policy.timeoutMs, postgres?.policy.fall, redis?.policy.timeoutMs], [3000, 5, 4000])
})

test('a policy field comes from the service, otherwise from defaults, otherwise it is built in', () => {
  const fields = {
    interval: ['intervalMs', ['30s', 30_000], ['20s', 20_000], 10_000],
    timeout: ['timeoutMs', ['3s', 3000], ['4s', 4000], 2000],
    rise: ['rise', [7, 7], [8, 8], 2],
    fall: ['fall', [7, 7], [8, 8], 3],
    fastInterval: ['fastIntervalMs', ['7s', 7000], ['8s', 8000], 10_000],
    downInterval: ['downIntervalMs', ['7s', 7000], ['8s', 8000], 10_000],
    maxAge: ['maxAgeMs', ['7s', 7000], ['8s', 8000], 5000],
    minAge: ['minAgeMs', ['7s', 7000], ['8s', 8000], 1000],
    close: ['close', ['rst', 'rst'], ['fin', 'fin'], 'half-open'],
  } as const
  for (const [field, [key, [own, ownRead], [inherited, inheritedRead], builtIn]] of Object.entries(fields)) {
    const policyWith = (service: object, defaults: object) =>
      accepted({ text: JSON.stringify({ defaults, services: { a: { targets: ['a:1'], ...service } } }) }).config
        .services[0]?.policy[key]
    assert.equal(policyWith({ [field]: own }, { [field]: inherited }), ownRead, field)
    assert.equal(policyWith({}, { [field]: inherited }), inheritedRead, field)
    assert.equal(policyWith({}, {}), builtIn, field)
  }
})

test('the configuration is frozen all the way down', () => {
  const { config } = accepted({
    text: `
services: { a: { targets: [a:1], groups: [g] } }
groups: { g: {} }
defaults: { fall: 5 }
tokens: { deploy: "sha256:${otherHash}" }
dial: { allow: [10.0.0.0/8] }
`,
    targets: ['b=b:1'],
  })
  const isDeepFrozen = (value: unknown): boolean =>
    typeof value !== 'object' ||
    value === null ||
    // A typed array cannot be frozen.
    value instanceof Int32Array ||
    (Object.isFrozen(value) && Object.values(value).every(isDeepFrozen))
  assert.ok(isDeepFrozen(config))
})

test('names that every JavaScript object has are ordinary names', () => {
  const text = `services: { constructor: { targets: [a:1], groups: [toString] } }
groups: { toString: { quorum: any } }
tokens: { hasOwnProperty: "sha256:${otherHash}" }`
  const { config, advice } = accepted({ text })
  assert.deepEqual([config.groups, advice], [[{ name: 'toString', quorum: 'any' }], []])
  assert.equal(config.access.tokens[0]?.name, 'hasOwnProperty')
  assert.equal(locationOf(config, 'valueOf'), null)
  assert.equal(config.services[0]?.name, 'constructor')
  assert.equal(accepted({ text: 'services: {}', targets: ['valueOf=a:1'] }).config.services.length, 1)
})

test('the environment wins over the file', () => {
  const text = 'listen: { host: 127.0.0.1, port: 1, hosts: [] }\ndata: kept\nservices: {}'
  const { config } = accepted({
    text,
    env: {
      PORTHOLE_HOST: '::',
      PORTHOLE_PORT: '9090',
      PORTHOLE_HOSTS: 'a.example, b.example',
      PORTHOLE_LOG_LEVEL: 'silent',
      PORTHOLE_DATA: '/var/lib/porthole',
    },
  })
  assert.deepEqual(
    [config.listen, config.logLevel, config.data],
    [{ host: '::', port: 9090, hosts: ['a.example', 'b.example'] }, 'silent', '/var/lib/porthole'],
  )
  const nothing = {
    PORTHOLE_HOST: '',
    PORTHOLE_PORT: '',
    PORTHOLE_HOSTS: '',
    PORTHOLE_LOG_LEVEL: '',
    PORTHOLE_DATA: '',
    PORTHOLE_TOKEN: '',
  }
  const { config: unchanged } = accepted({ text, env: nothing })
  assert.deepEqual(
    [unchanged.listen, unchanged.logLevel, unchanged.data, unchanged.access.tokens],
    [{ host: '127.0.0.1', port: 1, hosts: [] }, 'info', 'kept', []],
  )
})

test('the token in the environment joins the tokens of the file, and its secret appears nowhere', () => {
  const read = accepted({
    text: `tokens: { deploy: "sha256:${otherHash}" }`,
    env: { PORTHOLE_TOKEN: secret },
  })
  assert.deepEqual(read.config.access.tokens, [
    { name: 'PORTHOLE_TOKEN', sha256: secretHash },
    { name: 'deploy', sha256: otherHash },
  ])
  assert.ok(!JSON.stringify(read).includes(secret))
})

test('an invalid token is a problem that does not repeat it', () => {
  for (const [token, flaw] of [
    ['hunter2', 'fewer than 16 characters'],
    [`${secret}\n`, 'a line break'],
    [`${secret} ${secret}`, 'cannot be sent'],
  ] as const) {
    const [problem = '', ...more] = problemsOf({ env: { PORTHOLE_TOKEN: token } })
    assert.ok(problem.startsWith('PORTHOLE_TOKEN: the token ') && problem.includes(flaw), problem)
    assert.ok(!problem.includes(token.slice(0, 7)) && more.length === 0, problem)
  }
})

test('without a token, notes name the settings that need one', () => {
  const text = 'details: token'
  assert.deepEqual(accepted({ text }).notes, [
    'there are no services: name some under services, or set PORTHOLE_TOKEN so that they can be registered over HTTP',
    'details: token hides targets, addresses and sentences from all clients while there is no token: set PORTHOLE_TOKEN, or tokens',
  ])
  assert.deepEqual(accepted({ text, env: { PORTHOLE_TOKEN: secret } }).notes, [])
  assert.deepEqual(accepted({ text: `${text}\ntokens: { deploy: "sha256:${otherHash}" }` }).notes, [])
})

test('one token under two names gets advice at the second name', () => {
  const written = `"sha256:${otherHash}"`
  const linesOf = (input: Input) => accepted(input).advice.map(formatProblem)
  assert.deepEqual(linesOf({ text: `tokens:\n  deploy: ${written}\n  ci: ${written}\n` }), [
    'porthole.yaml:3:3: tokens.ci: this is the same token as deploy: give each a secret of its own, or remove one',
  ])
  const text = `tokens: { ci: "sha256:${secretHash}" }`
  assert.deepEqual(linesOf({ text, env: { PORTHOLE_TOKEN: secret } }), [
    'porthole.yaml:1:11: tokens.ci: this is the same token as PORTHOLE_TOKEN: give each a secret of its own, or remove one',
  ])
})

test('the Redis that replicas share is in the file, or in the environment, which wins and is enough by itself', () => {
  const text = 'replicas: { redis: "rediss://file:6379", passwordFile: /run/secrets/redis, namespace: fleet-a }'
  const PORTHOLE_REDIS_URL = 'redis://porthole@environment'
  const replicasOf = (input: Input) => accepted(input).config.replicas
  const inFile = { url: 'rediss://file:6379', passwordFile: '/run/secrets/redis', namespace: 'fleet-a' }
  assert.deepEqual(replicasOf({ text }), inFile)
  assert.deepEqual(replicasOf({ text, env: { PORTHOLE_REDIS_URL: '' } }), inFile)
  assert.deepEqual(replicasOf({ text, env: { PORTHOLE_REDIS_URL } }), { ...inFile, url: PORTHOLE_REDIS_URL })
  const alone = { url: PORTHOLE_REDIS_URL, passwordFile: null, namespace: 'default' }
  assert.deepEqual(replicasOf({ env: { PORTHOLE_REDIS_URL } }), alone)
  assert.deepEqual(replicasOf({ text: 'replicas: {}', env: { PORTHOLE_REDIS_URL } }), alone)
})

test('the address of a Redis may have a user, a password, a port and the number of a database', () => {
  for (const url of ['redis://a', 'redis://a:b@c:1/0', 'rediss://a@[::1]:6379/15', 'redis://:b@10.0.0.1/'])
    assert.equal(accepted({ env: { PORTHOLE_REDIS_URL: url } }).config.replicas?.url, url)
  const remedy =
    'this is not the address of a Redis: write redis://HOST:6379, or rediss://HOST:6379 for TLS; a user may stand before the host, as in redis://porthole@HOST:6379, and the password in replicas.passwordFile'
  for (const url of ['redis:6379', 'http://redis:6379', 'redis://', 'redis://redis:70000', 'redis://redis/name', ' '])
    assert.deepEqual(problemsOf({ env: { PORTHOLE_REDIS_URL: url } }), [`PORTHOLE_REDIS_URL: ${remedy}`])
})

test('a password in the address of Redis is in no problem', () => {
  const wrong = `http://porthole:${secret}@redis:6379`
  const right = `redis://porthole:${secret}@redis:6379`
  const inputs: Input[] = [
    { env: { PORTHOLE_REDIS_URL: wrong } },
    { text: `replicas: { redis: "${wrong}" }` },
    { text: `replicas: { redis: ["${right}"] }` },
    { text: `replicas: "${right}"` },
    { text: `replicas: ["${right}"]` },
  ]
  for (const input of inputs) {
    const problems = problemsOf(input)
    assert.equal(problems.length, 1)
    assert.ok(!problems.join().includes(secret), problems.join())
  }
})

test('with replicas the status of every service is trusted longer by the time of a hand-over, also for services registered later', () => {
  const text = 'defaults: { timeout: 3s }\nservices: { a: { targets: [a:1], timeout: 4s } }'
  const read = (env: Record<string, string>) => {
    const { services, defaults } = accepted({ text, targets: ['b:1'], env }).config
    return [services.map(({ policy }) => [policy.handoverMs, policy.timeoutMs]), defaults]
  }
  const handedOver = [
    [8000, 4000],
    [8000, 3000],
  ]
  assert.deepEqual(read({ PORTHOLE_REDIS_URL: 'redis://redis' }), [handedOver, { timeout: 3000, handoverMs: 8000 }])
  const never = [
    [0, 4000],
    [0, 3000],
  ]
  assert.deepEqual(read({}), [never, { timeout: 3000 }])
})

test('data beside replicas gets a note that it is not used, with a token or without', () => {
  const note = 'data is not used, because replicas store their data in Redis: remove data or PORTHOLE_DATA'
  const text = 'services: { a: { targets: [a:1] } }'
  const replicas = 'replicas: { redis: "redis://redis" }'
  const notesOf = (input: Input) => accepted(input).notes
  assert.deepEqual(notesOf({ text: `${text}\n${replicas}\ndata: kept` }), [note])
  const env = { PORTHOLE_DATA: '/data', PORTHOLE_REDIS_URL: 'redis://redis', PORTHOLE_TOKEN: secret }
  assert.deepEqual(notesOf({ text, env }), [note])
  assert.deepEqual(notesOf({ text: `${text}\n${replicas}` }), [])
})

test('a bad variable is a problem under its own name', () => {
  const port = 'is not a port to listen on: write a number from 1 to 65535, or 0 for any that is free'
  for (const [text, shown] of [
    ['http', '"http"'],
    ['70000', '70000'],
    ['-1', '"-1"'],
    ['1e3', '"1e3"'],
    [' 80', '" 80"'],
  ] as const) {
    assert.deepEqual(problemsOf({ env: { PORTHOLE_PORT: text } }), [`PORTHOLE_PORT: ${shown} ${port}`])
  }
  assert.deepEqual(
    problemsOf({ env: { PORTHOLE_HOST: '[::]', PORTHOLE_LOG_LEVEL: 'verbose', PORTHOLE_LOG_FORMAT: 'text' } }),
    [
      'PORTHOLE_HOST: "[::]" is not an address to listen on: write 0.0.0.0 (all interfaces) or 127.0.0.1 (this machine only)',
      'PORTHOLE_LOG_LEVEL: "verbose" is not a log level: write fatal, error, warn, info, debug, trace or silent',
      'PORTHOLE_LOG_FORMAT: "text" is not a log format: write auto, json or pretty',
    ],
  )
})

test('the PORTHOLE_PORT that Kubernetes injects is ignored, with a note', () => {
  const { config, notes } = accepted({
    text: 'services: { a: { targets: [a:1] } }',
    env: { PORTHOLE_PORT: 'tcp://10.0.0.1:8080' },
  })
  assert.equal(config.listen.port, 8080)
  assert.deepEqual(notes, [
    'PORTHOLE_PORT=tcp://10.0.0.1:8080 is ignored: Kubernetes sets it for a Service called porthole (enableServiceLinks: false stops that)',
  ])
})

test('targets on the command line become services, under the defaults of the file', () => {
  const { config } = accepted({
    text: 'defaults: { timeout: 3s }\nservices: { a: { targets: [a:1] } }',
    targets: ['127.0.0.1:6379', 'db=db-1:5432', 'x=y=[::1]:80', 'db=db-2:5432'],
  })
  assert.deepEqual(
    config.services.map(({ name, targets, policy }) => [name, targets.map((target) => target.name), policy.timeoutMs]),
    [
      ['a', ['a:1'], 3000],
      ['127.0.0.1:6379', ['127.0.0.1:6379'], 3000],
      ['db', ['db-1:5432', 'db-2:5432'], 3000],
      ['x=y', ['[::1]:80'], 3000],
    ],
  )
})

test('a bad argument is a problem under its own text', () => {
  assert.deepEqual(problemsOf({ targets: ['localhost', 'a=b:0', '=b:1', 'a=b:1', 'a=B:1'] }), [
    'argument "localhost": "localhost" has no port: write host:port, such as db-1.internal:5432 or "[::1]:5432"',
    'argument "a=b:0": "b:0": port 0 is out of range: write a number from 1 to 65535',
    'argument "=b:1": "" is not a service name: write 1 to 200 characters, without control characters or spaces at its ends',
    'argument "a=B:1": "B:1" is listed twice: remove one',
  ])
})

test('a service named in the file and on the command line is a problem that names both places', () => {
  assert.deepEqual(problemsOf({ text: 'services:\n  db: { targets: [a:1] }', targets: ['db=b:1', 'db=c:1'] }), [
    'argument "db=b:1": the service "db" is already at porthole.yaml:2:3: write another name=',
  ])
})

test('every service has the place of its definition', () => {
  const text = 'services:\n  db: { targets: [a:1] }\n  "a b":\n    targets: [a:1]\n  7: { targets: [a:1] }\n'
  const { config } = accepted({ text, targets: ['cache=c:1', 'cache=d:1', 'e:1'] })
  assert.deepEqual(
    ['db', 'a b', '7', 'cache', 'e:1', 'targets', '', 'zzz'].map((name) => locationOf(config, name)),
    [
      'porthole.yaml:2:3',
      'porthole.yaml:3:3',
      'porthole.yaml:5:3',
      'argument "cache=c:1"',
      'argument "e:1"',
      null,
      null,
      null,
    ],
  )
  assert.equal(locationOf(accepted({ targets: ['e:1'] }).config, 'e:1'), 'argument "e:1"')
})

test('problems of file, environment and command line are reported together, in this order', () => {
  const result = parse({
    text: 'services: { a: { targets: [a], timeout: 5 } }',
    targets: ['b'],
    env: { PORTHOLE_PORT: 'x' },
  })
  assert.deepEqual(result.ok ? [] : result.problems.map(({ place, path }) => [place, path]), [
    ['porthole.yaml:1:28', 'services.a.targets[0]'],
    ['porthole.yaml:1:41', 'services.a.timeout'],
    ['PORTHOLE_PORT', ''],
    ['argument "b"', ''],
  ])
})

test('no file at all is fine', () => {
  assert.equal(accepted({ targets: ['a:1'] }).config.services.length, 1)
})

test('ten thousand services in JSON keep their order and their settings', () => {
  const services = Object.fromEntries(
    Array.from({ length: 10_000 }, (_, index) => [
      `s${index}`,
      { targets: [`10.0.0.1:${index + 1}`], groups: ['all'] },
    ]),
  )
  const { config } = accepted({ name: 'porthole.json', text: JSON.stringify({ services }) })
  assert.equal(config.services.length, 10_000)
  assert.equal(config.services[9999]?.targets[0]?.port, 10_000)
  assert.match(locationOf(config, 's9999') ?? '', /^porthole\.json:1:\d+$/)
})

test('a missing file, or a directory in its place, is a problem that names it', async () => {
  const sources = { targets: [], env: {} }
  const linesOf = async (path: string) => {
    const result = await (await readConfig(path, sources)).parsed
    return result.ok ? [] : result.problems.map(formatProblem)
  }
  assert.deepEqual(await linesOf('/nowhere/porthole.yaml'), [
    '/nowhere/porthole.yaml: there is no such file: write it, or name another one with --config FILE',
  ])
  assert.deepEqual(await linesOf(tmpdir()), [`${tmpdir()}: this is a directory: name the file in it`])
})

test('reading a file gives its configuration and its digest', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'porthole-config-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'porthole.yaml')
  writeFileSync(path, 'services: { a: { targets: [a:1] } }')
  const { digest, parsed } = await readConfig(path, { targets: ['b:1'], env: {} })
  const result = await parsed
  assert.ok(result.ok)
  assert.equal(result.config.services.length, 2)
  assert.equal(digest, (await readConfig(path, { targets: [], env: {} })).digest)
  writeFileSync(path, 'services: { a: { targets: [a:2] } }')
  assert.notEqual(digest, (await readConfig(path, { targets: [], env: {} })).digest)
  assert.equal((await readConfig(null, { targets: ['b:1'], env: {} })).digest, null)
})

test('a path quotes names with special characters', () => {
  assert.equal(formatPath(['services', 'db.eu', 'targets', 0]), 'services."db.eu".targets[0]')
  assert.equal(formatPath(['services', 'a b']), 'services."a b"')
  assert.equal(formatPath([]), '')
})
