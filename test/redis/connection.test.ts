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
import { createFolder, until } from '../process.ts'
import { freePort, noRedis, startRedis } from '../redis-server.ts'

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

test('asks, and is answered', { skip }, async (t) => {
  const { url } = await startRedis(t)
  const connection = await connect(t, url)
  assert.equal(await ping(connection), 'PONG')
  const wrong = await connection.send(['GET'])
  assert.match(wrong.ok ? '' : wrong.failure, /^Redis at 127\.0\.0\.1:\d+ fails: ERR wrong number of arguments/)
  assert.equal(await ping(connection), 'PONG')
})

test('runs a script that Redis does not know yet, or has thrown out', { skip }, async (t) => {
  const { url } = await startRedis(t)
  const connection = await connect(t, url)
  const add = script(`return meta(KEYS[1], 'none') + ARGV[1]`)
  for (let i = 0; i < 2; i++) {
    assert.deepEqual(await connection.run(add, [meta], [2]), { ok: true, value: 2 })
    assert.deepEqual(await connection.run(add, [meta], [3]), { ok: true, value: 3 })
    await connection.send(['SCRIPT', 'FLUSH'])
  }
})

test('says that nothing listens, and where', async () => {
  const failure = await connectRedis({ url: 'redis://127.0.0.1:1', passwordFile: null }, meta)
  assert.equal(failure, 'nothing listens where Redis should be, 127.0.0.1:1: see whether it runs')
})

test('a connection that breaks is lost, and says why', { skip }, async (t) => {
  const redis = await startRedis(t)
  const connection = await connect(t, redis.url)
  redis.kill('SIGKILL')
  const why = await connection.lost
  assert.match(why, /^Redis at 127\.0\.0\.1:\d+ /)
  assert.deepEqual(await connection.send(['PING']), { ok: false, failure: why, isUncertain: false })
})

test('what listens and never answers is given up', async (t) => {
  const server = net.createServer((socket) => void socket.on('error', () => undefined).resume()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const failure = await connectRedis({ url: `redis://127.0.0.1:${port}`, passwordFile: null }, meta)
  assert.equal(failure, `Redis at 127.0.0.1:${port} fails: it has not answered for 2 s`)
})

test('a Redis that hangs fails each call after its deadline, and the second in a row ends the connection', {
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

test('logs in with the password of a file, or of the address, and with a user', { skip }, async (t) => {
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
  // The file counts: it is where a password is changed.
  assert.equal(await ping(await connect(t, `redis://porthole:old@127.0.0.1:${port}`, file)), 'PONG')
})

test('says that it is not let in, and repeats no password', { skip }, async (t) => {
  const { port } = await startRedis(t, ['--requirepass', 'right'])
  const failures = [
    await connectRedis({ url: `redis://127.0.0.1:${port}`, passwordFile: null }, meta),
    await connectRedis({ url: `redis://:wrong-one@127.0.0.1:${port}`, passwordFile: null }, meta),
  ]
  for (const failure of failures) {
    assert.match(
      String(failure),
      /says "(NOAUTH|WRONGPASS) .*": it does not let Porthole in: see replicas\.redis and replicas\.passwordFile$/,
    )
    assert.doesNotMatch(String(failure), /wrong-one/)
  }
  const file = join(createFolder(t), 'missing')
  assert.match(
    String(await connectRedis({ url: `redis://127.0.0.1:${port}`, passwordFile: file }, meta)),
    /^the password of Redis at 127\.0\.0\.1:\d+ cannot be read from replicas\.passwordFile: ENOENT/,
  )
})

test('reads a password from a regular file alone, and from no more than 64 kB', async (t) => {
  const folder = createFolder(t)
  const pipe = join(folder, 'pipe')
  spawnSync('mkfifo', [pipe])
  const long = join(folder, 'long')
  writeFileSync(long, 'x'.repeat(65_537))
  for (const [passwordFile, failure] of [
    [pipe, 'pipe is a pipe: put a regular file in its place, or a symbolic link to one'],
    ['/dev/zero', '/dev/zero is a character device: put a regular file in its place, or a symbolic link to one'],
    [folder, `${folder} is a directory: put a regular file in its place, or a symbolic link to one`],
    [long, 'long has more than 65536 bytes: name the file that holds the password alone'],
  ] as const) {
    const told = String(await connectRedis({ url: 'redis://127.0.0.1:1', passwordFile }, meta))
    assert.ok(told.startsWith('the password of Redis at 127.0.0.1:1 cannot be read from replicas.passwordFile: '), told)
    assert.ok(told.endsWith(failure), told)
  }
})

const noOpenssl = spawnSync('openssl', ['version']).error === undefined ? false : 'openssl is not installed'

test('speaks TLS with rediss://, and believes no certificate that it does not know', {
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

/** Has a running server listen for TLS as well; returns the port. */
async function freeTlsPort(connection: Connection): Promise<number> {
  const port = await freePort()
  assert.deepEqual(await connection.send(['CONFIG', 'SET', 'tls-port', `${port}`]), { ok: true, value: 'OK' })
  return port
}

test('asks the node of a Redis Cluster that has the keys, whichever it was told', { skip }, async (t) => {
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
