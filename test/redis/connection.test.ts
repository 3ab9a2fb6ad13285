import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import net, { type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Connection, connectRedis } from '../../src/redis/connection.ts'
import { keysOf } from '../../src/redis/keys.ts'
import { script } from '../../src/redis/script.ts'
import { createFolder, until } from '../support/process.ts'
import { freePort, noRedis, startRedis } from '../support/redis-server.ts'

const { meta } = keysOf('test')
const skip = noRedis

async function connect(t: TestContext, url: string, passwordFile: string | null = null): Promise<Connection> {
  const connection = await connectRedis({ url, passwordFile }, meta)
  assert(typeof connection !== 'string', String(connection))
  t.after(connection.close)
  return connection
}

async function ping(connection: Connection): Promise<unknown> {
  const answer = await connection.send(['PING'])
  return answer.ok ? answer.value : answer.failure
}

test('a command gets an answer', { skip }, async (t) => {
  const { url } = await startRedis(t)
  const connection = await connect(t, url)
  assert.equal(await ping(connection), 'PONG')
  const wrong = await connection.send(['GET'])
  assert.match(wrong.ok ? '' : wrong.failure, /^Redis at 127\.0\.0\.1:\d+ fails: ERR wrong number of arguments/)
  assert.equal(await ping(connection), 'PONG')
})

test('runs a script that Redis does not know yet, or has dropped', { skip }, async (t) => {
  const { url } = await startRedis(t)
  const connection = await connect(t, url)
  const add = script(`return meta(KEYS[1], 'none') + ARGV[1]`)
  for (let i = 0; i < 2; i++) {
    assert.deepEqual(await connection.run(add, [meta], [2]), { ok: true, value: 2 })
    assert.deepEqual(await connection.run(add, [meta], [3]), { ok: true, value: 3 })
    await connection.send(['SCRIPT', 'FLUSH'])
  }
})

test('names the address on which nothing listens', async () => {
  const failure = await connectRedis({ url: 'redis://127.0.0.1:1', passwordFile: null }, meta)
  assert.equal(failure, 'nothing listens on 127.0.0.1:1: check that Redis runs there')
})

test('a connection that breaks is lost, and gives the reason', { skip }, async (t) => {
  const redis = await startRedis(t)
  const connection = await connect(t, redis.url)
  redis.kill('SIGKILL')
  const why = await connection.lost
  assert.match(why, /^Redis at 127\.0\.0\.1:\d+ /)
  assert.deepEqual(await connection.send(['PING']), { ok: false, failure: why, isUncertain: false, isLost: true })
})

test('a request under way when its connection is given up fails with the reason', { skip }, async (t) => {
  const redis = await startRedis(t)
  const connection = await connect(t, redis.url)
  const waiting = connection.send(['BLPOP', 'nothing', '0'])
  connection.close()
  assert.deepEqual(await waiting, { ok: false, failure: await connection.lost, isUncertain: true, isLost: true })
  assert.match(await connection.lost, /^the connection to Redis at 127\.0\.0\.1:\d+ is closed$/)
})

test('connecting to a server that never answers fails after its deadline', async (t) => {
  const server = net.createServer((socket) => void socket.on('error', () => undefined).resume()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const failure = await connectRedis({ url: `redis://127.0.0.1:${port}`, passwordFile: null }, meta)
  assert.equal(failure, `Redis at 127.0.0.1:${port} fails: it has not answered for 2 s`)
})

test('while Redis hangs each call fails after its deadline, and the second in a row ends the connection', {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const connection = await connect(t, redis.url)
  redis.kill('SIGSTOP')
  t.after(() => redis.kill('SIGCONT'))
  const first = await connection.send(['PING'], 50)
  assert.match(first.ok ? '' : first.failure, /has not answered for 0\.05 s$/)
  redis.kill('SIGCONT')
  assert.equal(await ping(connection), 'PONG')
  redis.kill('SIGSTOP')
  await connection.send(['PING'], 50)
  await connection.send(['PING'], 50)
  assert.match(await connection.lost, /has not answered for 0\.05 s$/)
})

test('logs in with a user name, and with the password of a file or of the address', { skip }, async (t) => {
  const { port } = await startRedis(t, [
    '--requirepass',
    'se:cr@t',
    '--user',
    'porthole',
    'on',
    '>other',
    '~*',
    '+@all',
  ])
  const file = join(createFolder(t), 'password')
  writeFileSync(file, 'se:cr@t\n')
  assert.equal(await ping(await connect(t, `redis://127.0.0.1:${port}`, file)), 'PONG')
  assert.equal(await ping(await connect(t, `redis://:se%3Acr%40t@127.0.0.1:${port}`)), 'PONG')
  writeFileSync(file, 'other')
  assert.equal(await ping(await connect(t, `redis://porthole@127.0.0.1:${port}`, file)), 'PONG')
  // The password of the file wins, because operators change it there.
  assert.equal(await ping(await connect(t, `redis://porthole:old@127.0.0.1:${port}`, file)), 'PONG')
})

test('a rejected login is reported without the password', { skip }, async (t) => {
  const { port } = await startRedis(t, ['--requirepass', 'right'])
  const failures = [
    await connectRedis({ url: `redis://127.0.0.1:${port}`, passwordFile: null }, meta),
    await connectRedis({ url: `redis://:wrong-one@127.0.0.1:${port}`, passwordFile: null }, meta),
  ]
  for (const failure of failures) {
    assert.match(
      String(failure),
      /says "(NOAUTH|WRONGPASS) .*": it rejects the login: check replicas\.redis and replicas\.passwordFile$/,
    )
    assert.doesNotMatch(String(failure), /wrong-one/)
  }
  const file = join(createFolder(t), 'missing')
  assert.match(
    String(await connectRedis({ url: `redis://127.0.0.1:${port}`, passwordFile: file }, meta)),
    /^the password of Redis at 127\.0\.0\.1:\d+ cannot be read from replicas\.passwordFile: ENOENT/,
  )
})

test('reads a password only from a regular file of at most 64 kB', async (t) => {
  const folder = createFolder(t)
  const pipe = join(folder, 'pipe')
  spawnSync('mkfifo', [pipe])
  const long = join(folder, 'long')
  writeFileSync(long, 'x'.repeat(65_537))
  for (const [passwordFile, failure] of [
    [pipe, 'pipe is a pipe: put a regular file in its place, or a symbolic link to one'],
    ['/dev/zero', '/dev/zero is a character device: put a regular file in its place, or a symbolic link to one'],
    [folder, `${folder} is a directory: put a regular file in its place, or a symbolic link to one`],
    [long, 'long has more than 65536 bytes: name a file that holds only the password'],
  ] as const) {
    const told = String(await connectRedis({ url: 'redis://127.0.0.1:1', passwordFile }, meta))
    assert.ok(told.startsWith('the password of Redis at 127.0.0.1:1 cannot be read from replicas.passwordFile: '), told)
    assert.ok(told.endsWith(failure), told)
  }
})

const noOpenssl = spawnSync('openssl', ['version']).error === undefined ? false : 'openssl is not installed'

test('speaks TLS with rediss://, and rejects a certificate of an unknown authority', {
  skip: noRedis || noOpenssl,
}, async (t) => {
  const folder = createFolder(t)
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1']
  const made = spawnSync('openssl', [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    key,
    '-out',
    cert,
    ...subject,
  ])
  assert.equal(made.status, 0, String(made.stderr))
  const tls = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', cert, '--tls-auth-clients', 'no']
  const { port } = await startRedis(t, tls)
  const plain = await connect(t, `redis://127.0.0.1:${port}`)
  const tlsPort = await freeTlsPort(plain)
  const url = `rediss://127.0.0.1:${tlsPort}`
  assert.match(String(await connectRedis({ url, passwordFile: null }, meta)), /certificate/)

  const program = `
    import { connectRedis } from ${JSON.stringify(new URL('../../src/redis/connection.ts', import.meta.url).href)}
    const connection = await connectRedis({ url: '${url}', passwordFile: null }, 'any')
    console.log(typeof connection === 'string' ? connection : JSON.stringify(await connection.send(['PING'])))
    process.exit()`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    env: { ...process.env, NODE_EXTRA_CA_CERTS: cert },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  for await (const chunk of child.stdout) said += chunk
  assert.equal(said, '{"ok":true,"value":"PONG"}\n')
})

/** Makes a running server listen for TLS as well. Returns the port. */
async function freeTlsPort(connection: Connection): Promise<number> {
  const port = await freePort()
  assert.deepEqual(await connection.send(['CONFIG', 'SET', 'tls-port', `${port}`]), { ok: true, value: 'OK' })
  return port
}

test('connects to the node of a Redis Cluster that has the keys, whichever node is configured', { skip }, async (t) => {
  const folder = createFolder(t)
  const cluster = (name: string) => ['--cluster-enabled', 'yes', '--cluster-config-file', join(folder, name)]
  const [first, second] = await Promise.all([startRedis(t, cluster('a')), startRedis(t, cluster('b'))])
  const ask = (port: number, ...words: string[]) => {
    const { stdout, status } = spawnSync('redis-cli', ['-p', `${port}`, 'CLUSTER', ...words], { encoding: 'utf8' })
    assert.equal(status, 0)
    return stdout
  }
  ask(first.port, 'ADDSLOTSRANGE', '0', '8191')
  ask(second.port, 'ADDSLOTSRANGE', '8192', '16383')
  ask(first.port, 'MEET', '127.0.0.1', `${second.port}`)
  for (const { port } of [first, second]) {
    await until('the cluster is formed', async () => /state:ok.*known_nodes:2/s.test(ask(port, 'INFO')))
  }
  const add = script(`return redis.call('HINCRBY', KEYS[1], 'n', 1)`)
  for (const { url } of [first, second]) {
    for (const namespace of ['default', 'other', 'a', 'b']) {
      const key = keysOf(namespace).meta
      const connection = await connectRedis({ url, passwordFile: null }, key)
      assert(typeof connection !== 'string', String(connection))
      t.after(connection.close)
      const answer = await connection.run(add, [key], [])
      assert.ok(answer.ok, answer.ok ? '' : answer.failure)
    }
  }
})
