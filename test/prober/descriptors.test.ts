import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import net, { type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { descriptorLimit, shareDescriptors } from '../../src/prober/descriptors.ts'
import { familyOf } from '../metrics/page.ts'
import { listen } from '../support/app.ts'
import { createFolder, start, until } from '../support/process.ts'

test('the limit is that of the kernel, and null if the kernel reports none', () => {
  assert.equal(descriptorLimit('Max processes  1 1\nMax open files            1024                 4096   files'), 1024)
  assert.equal(descriptorLimit(''), null)
})

test('checks, connections and everything else together never exceed the limit', () => {
  const wanted = fc.option(fc.integer({ min: 1, max: 100_000 }))
  fc.assert(
    fc.property(fc.integer({ min: 8, max: 2_000_000 }), wanted, fc.nat(511), (limit, wanted, lookUps) => {
      const { checks, extraDials, connections } = shareDescriptors({ limit, wanted, lookUps })
      for (const share of [checks, extraDials, connections]) assert.ok(Number.isInteger(share) && share >= 0)
      assert.ok(checks >= 1 && connections >= 1)
      assert.ok(checks <= (wanted ?? 10_000))
      const own = Math.min(64 + 2 * lookUps, Math.ceil(limit / 4))
      assert.ok(checks + extraDials + connections + own <= limit)
      // The smaller share is at least a quarter, unless that is more than enough.
      const free = limit - own
      assert.ok(connections >= Math.min(4096, Math.floor(free / 4)))
      assert.ok(checks + extraDials >= Math.min(wanted ?? 10_000, Math.floor((free * 3) / 4)))
    }),
  )
})

test('few descriptors mean smaller shares, and many mean no more than the useful maxima', () => {
  const shares = (limit: number | null, wanted: number | null = null) =>
    Object.values(shareDescriptors({ limit, wanted, lookUps: 31 }))
  assert.deepEqual(shares(null), [10_000, 2500, 4096])
  assert.deepEqual(shares(1_048_576), [10_000, 2500, 4096])
  assert.deepEqual(shares(20_000), [10_000, 2500, 4096])
  assert.deepEqual(shares(1024), [538, 135, 225])
  assert.deepEqual(shares(1024, 100), [100, 25, 773])
  assert.deepEqual(shares(1024, 5000), [538, 135, 225])
  assert.deepEqual(shares(256), [115, 29, 48])
})

const noPrlimit = spawnSync('prlimit', ['--version']).error && 'prlimit is not installed (util-linux)'

test('with 512 descriptors and 1,000 idle connections, requests are answered and checks continue', {
  skip: noPrlimit,
}, async (t) => {
  const { target } = await listen(t)
  const file = join(createFolder(t), 'porthole.yaml')
  const services = Array.from({ length: 40 }, (_, i) => `  db-${i}: { targets: ["${target}"] }`)
  writeFileSync(file, ['defaults: { interval: 500ms, timeout: 500ms }', 'services:', ...services].join('\n'))
  const { url, child, logged } = await start(t, ['--config', file], {}, ['prlimit', '--nofile=512:512'])
  const { maxInFlight, maxConnections } = await logged(/prober checks/)
  assert.deepEqual([maxInFlight, maxConnections], [231, 97])
  const { hostname: host, port } = new URL(url)
  const sockets: Socket[] = []
  t.after(() => {
    for (const socket of sockets) socket.destroy()
  })
  let closed = 0
  for (let i = 0; i < 1000; i++) {
    const socket = net.connect(Number(port), host).on('error', () => undefined)
    sockets.push(socket.resume().once('close', () => closed++))
  }
  // Waits until all are accepted. Otherwise a hundred connections of this busy process could arrive between a connection and its request.
  await until('as many are closed as there is no room for', async () => closed >= 903)

  const read = async () => {
    // Each request has a connection of its own, like a probe.
    const response = await fetch(`${url}/metrics`, { headers: { connection: 'close' } })
    const text = await response.text()
    const byReason = familyOf(text, 'porthole_http_connections_closed_total')
    return { checks: familyOf(text, 'porthole_checks_total'), unused: Number(byReason['{reason="unused"}']) }
  }
  const { checks: before, unused } = await read()
  assert.ok(unused > 0)
  await until('every target was checked twice more', async () => {
    const { checks } = await read()
    return Number(checks['{reason="connected"}']) >= Number(before['{reason="connected"}']) + 80
  })
  for (let i = 0; i < 20; i++)
    assert.equal((await fetch(`${url}/livez`, { headers: { connection: 'close' } })).status, 200)
  assert.equal((await read()).checks['{reason="local"}'], 0)
  assert.ok(readdirSync(`/proc/${child.pid}/fd`).length < 400)
})
