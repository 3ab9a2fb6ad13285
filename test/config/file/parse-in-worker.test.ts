import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { type ConfigSources, parseConfig } from '../../../src/config/config.ts'
import { type ParseThread, parseInWorker } from '../../../src/config/file/parse-in-worker.ts'
import type { Message } from '../../../src/config/file/parse-worker.ts'
import { formatProblem } from '../../../src/config/problem.ts'
import { locationOf } from '../../../src/config/syntax/source-locations.ts'
import type { Service } from '../../../src/domain/service/service.ts'

const none: ConfigSources = { targets: [], env: {} }
/** Pads a text to more bytes than are parsed in place. */
const padding = 40_000
const bytesOf = (text: string) => new TextEncoder().encode(text)
const aside = (name: string, text: string, sources = none, known?: ReadonlyMap<string, Service>) =>
  parseInWorker({ name, bytes: bytesOf(text) }, sources, known)
const programOf = (code: string): ParseThread => ({
  program: new URL(`data:text/javascript,${encodeURIComponent(code)}`),
  resourceLimits: {},
})

/** Returns `count` services as JSON. Every tenth service differs between generations. */
function json(count: number, generation = 1, more: object = {}): string {
  const services = Object.fromEntries(
    Array.from({ length: count }, (_, i) => [
      `s${i}`,
      {
        targets: [`10.0.0.1:${i + 1}`, 'db-1.internal:5432'],
        groups: [`g${i % 5}`],
        fall: i % 10 === 0 ? generation : 7,
      },
    ]),
  )
  return JSON.stringify({ services, ...more })
}

const padded = (yaml: string) => `${yaml}\n# ${'.'.repeat(padding)}\n`
const everything = `
listen: { host: "::1", port: 0 }
defaults: { timeout: 1s }
services:
  postgres: { targets: [db-1:5432, "[::1]:5432"], quorum: 50%, groups: [payments], interval: off }
  Größe: { targets: ["[2001:DB8::1]:0080"], resolve: all, timeout: 500ms, close: fin }
groups: { payments: { quorum: any }, nobody: {} }
tokens: { deploy: "sha256:${'0'.repeat(64)}", again: "sha256:${'0'.repeat(64)}" }
details: token
data: kept
dial: { allow: [10.0.0.0/8], private: false }
limits: { services: 20000 }
metrics: { omit: [porthole_target_checks_total] }
replicas: { redis: "redis://redis" }
`

for (const [what, name, text, sources] of [
  ['everything there is', 'porthole.yaml', padded(everything), { targets: ['web=a:80', 'b:1'], env: {} }],
  [
    'an environment',
    'porthole.yaml',
    padded('data: kept'),
    { targets: [], env: { PORTHOLE_PORT: 'tcp://10.0.0.1:1', PORTHOLE_TOKEN: 'x'.repeat(20) } },
  ],
  ['nothing', 'porthole.yaml', padded('services: {}'), none],
  ['many services', 'porthole.json', json(2500), none],
  [
    'advice for each of many services',
    'porthole.yaml',
    padded(
      `services:\n${Array.from({ length: 1700 }, (_, i) => `  s${i}: { targets: [a:1], timeout: 1s }`).join('\n')}`,
    ),
    none,
  ],
  ['a byte order mark', 'porthole.json', `\uFEFF${json(1000)}`, none],
] as const) {
  test(`a thread returns the same result as parsing in place: ${what}`, async () => {
    const inPlace = parseConfig({ file: { name, text }, ...sources })
    assert.ok(inPlace.ok, JSON.stringify(inPlace))
    const read = await aside(name, text, sources)
    assert.deepEqual(read, inPlace)
    assert.ok(read.ok)
    const names = [...read.config.services.map((service) => service.name), 'nobody']
    assert.deepEqual(
      names.map((name) => locationOf(read.config, name)),
      names.map((name) => locationOf(inPlace.config, name)),
    )
    assert.ok(
      Object.isFrozen(read.config) && Object.isFrozen(read.config.services) && Object.isFrozen(read.config.limits),
    )
    // The targets of a service are built at each access, so they are not checked here.
    assert.ok(read.config.services.every(Object.isFrozen))
  })
}

for (const [what, name, text] of [
  ['one', 'porthole.yaml', padded('services: { a: { targets: [a], timeout: 5 } }\nlisten: 7')],
  ['no YAML', 'porthole.yaml', padded('services: { a')],
  ['no JSON', 'porthole.json', json(1000).slice(0, -1)],
  [
    'very many',
    'porthole.yaml',
    padded(`services:\n${Array.from({ length: 1700 }, (_, i) => `  s${i}: { targets: [a] }`).join('\n')}`),
  ],
  ['Redis is missing', 'porthole.yaml', padded('replicas: {}')],
] as const) {
  test(`a thread returns the same problems as parsing in place: ${what}`, async () => {
    const sources = { targets: ['x'], env: { PORTHOLE_PORT: 'http' } }
    for (const given of [sources, none]) {
      const inPlace = parseConfig({ file: { name, text }, ...given })
      assert.equal(inPlace.ok, false)
      assert.deepEqual(await aside(name, text, given), inPlace)
    }
  })
}

test('known services with the same definition are reused, in a thread and in place', async () => {
  for (const count of [100, 2000]) {
    const before = await aside('porthole.json', json(count))
    assert.ok(before.ok)
    const known = new Map(before.config.services.map((service) => [service.name, service]))
    const after = await aside('porthole.json', json(count, 2), none, known)
    assert.ok(after.ok)
    const taken = after.config.services.filter((service) => known.get(service.name) === service)
    assert.equal(taken.length, (count * 9) / 10)
    assert.deepEqual(
      after.config,
      parseConfig({ file: { name: 'porthole.json', text: json(count, 2) }, ...none }).ok && after.config,
    )
    const [first, ...others] = after.config.services.filter((service) => known.get(service.name) !== service)
    for (const other of others) assert.equal(other.policy, first?.policy)
  }
})

/** Returns, for each message of a thread, the number of targets of each service in it. */
async function sizesOfBatches(counts: readonly number[]): Promise<number[][]> {
  const targetsOf = (count: number) => Array.from({ length: count }, (_, i) => `10.0.0.1:${i + 1}`)
  const services = Object.fromEntries(counts.map((count, i) => [`s${i}`, { targets: targetsOf(count) }]))
  const bytes = bytesOf(JSON.stringify({ services }))
  const worker = new Worker(new URL('../../../src/config/file/parse-worker.ts', import.meta.url), {
    workerData: { name: 'porthole.json', bytes, ...none },
  })
  const batches: number[][] = []
  worker.on('message', (message: Message) => {
    if ('services' in message) batches.push(message.services.map(({ targets }) => targets.length))
    worker.postMessage('next')
  })
  await once(worker, 'exit')
  return batches
}

test('a message of a thread has at most 500 services and at most 2,500 targets', async () => {
  const some = (count: number, of: number) => Array.from({ length: count }, () => of)
  assert.deepEqual(await sizesOfBatches(some(1200, 1)), [some(500, 1), some(500, 1), some(200, 1)])
  assert.deepEqual(await sizesOfBatches(some(60, 100)), [some(25, 100), some(25, 100), some(10, 100)])
  assert.deepEqual(await sizesOfBatches([100, 6000, 100, 100]), [[100], [6000], [100, 100]])
})

test('equal services share their common parts', async () => {
  const read = await aside('porthole.json', json(2000))
  assert.ok(read.ok)
  const { services } = read.config
  assert.equal(new Set(services.map(({ policy }) => policy)).size, 2)
  assert.equal(new Set(services.map(({ groups }) => groups)).size, 5)
})

test('too little memory for a thread is a problem of the file', async () => {
  const read = await parseInWorker({ name: 'porthole.json', bytes: bytesOf(json(20_000)) }, none, undefined, {
    program: new URL('../../../src/config/file/parse-worker.ts', import.meta.url),
    resourceLimits: { maxOldGenerationSizeMb: 12, maxYoungGenerationSizeMb: 1 },
  })
  assert.deepEqual(read.ok ? [] : read.problems.map(formatProblem), [
    'porthole.json: there is not enough memory to parse it (ERR_WORKER_OUT_OF_MEMORY): let Porthole have more',
  ])
})

test('a thread that cannot be started is a problem of the file', async () => {
  const code = 'ERR_WORKER_INIT_FAILED'
  const program = new URL('../../../src/config/file/parse-worker.ts', import.meta.url)
  const resourceLimits = {
    get maxOldGenerationSizeMb(): number {
      throw Object.assign(new Error('Worker initialization failure: EAGAIN'), { code })
    },
  }
  const read = await parseInWorker({ name: 'a.yaml', bytes: bytesOf(padded('')) }, none, undefined, {
    program,
    resourceLimits,
  })
  assert.deepEqual(read.ok ? [] : read.problems.map(formatProblem), [
    `a.yaml: no thread can be started to parse it (${code}): let Porthole have more threads, or memory`,
  ])
  assert.equal(read.ok ? undefined : read.arePassing, true)
})

test('an invalid message of a thread is an exception, and nothing of it is used', async () => {
  for (const message of [
    '5',
    'null',
    '{}',
    '{ services: 5 }',
    '{ services: [{ name: 5, targets: [] }] }',
    '{ read: { ok: 1 } }',
  ]) {
    const program = programOf(
      `import { parentPort } from 'node:worker_threads'; parentPort.postMessage(${message}); parentPort.on('message', () => {})`,
    )
    const read = parseInWorker({ name: 'a.yaml', bytes: bytesOf(padded('')) }, none, undefined, program)
    await assert.rejects(read, /sent an invalid message/, message)
  }
})

test('a bug in the thread is an exception, and so is a thread that ends before it is done', async () => {
  const parse = (code: string) =>
    parseInWorker({ name: 'a.yaml', bytes: bytesOf(padded('')) }, none, undefined, programOf(code))
  await assert.rejects(parse('throw new RangeError("a bug")'), { name: 'RangeError', message: 'a bug' })
  await assert.rejects(parse(''), /ended before it was done/)
  await assert.rejects(parse('process.exit(3)'), /ended before it was done/)
  await assert.rejects(
    parse(
      '(await import("node:worker_threads")).parentPort.postMessage({ read: { ok: false, problems: [] } }); throw new TypeError("late")',
    ),
    { name: 'TypeError', message: 'late' },
  )
})

/** Returns the niceness of each thread of this process (proc_pid_stat(5)). */
function niceness(): number[] {
  return readdirSync('/proc/self/task').flatMap((thread) => {
    try {
      const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'utf8')
      // The name of a thread, in brackets, may have spaces.
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16])
    } catch {
      // The thread has ended.
      return []
    }
  })
}

test('the thread that parses has a lower priority than all others, which do not change theirs', {
  skip: process.platform !== 'linux' && 'only Linux knows priorities of threads',
}, async () => {
  const before = new Set(niceness())
  const nicenessSeen = new Set<number>()
  let isOver = false
  const reading = aside('porthole.json', json(5000)).finally(() => {
    isOver = true
  })
  while (!isOver) {
    for (const nice of niceness()) nicenessSeen.add(nice)
    await setImmediate()
  }
  assert.ok((await reading).ok)
  assert.deepEqual(nicenessSeen, new Set([...before, 10]))
  assert.deepEqual(new Set(niceness()), before)
  assert.ok(before.has(getPriority()))
})
