/** The answers of Porthole while a target is added to a service that is up. A client that asks all the time must see no 503. */
import assert from 'node:assert/strict'
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { listen } from '../support/app.ts'
import { askAllTheTime } from '../support/asking.ts'
import { enterNamespace, sh } from '../support/namespace.ts'
import { createFolder, start, until } from '../support/process.ts'

const noNamespace = await enterNamespace(import.meta.filename)
const PORTHOLE_TOKEN = 'a-token-of-the-test'

async function startWith(t: Parameters<typeof start>[0], service: object) {
  const file = join(createFolder(t), 'porthole.json')
  const write = (services: object) => {
    writeFileSync(`${file}.new`, JSON.stringify({ dial: { loopback: true }, services }))
    renameSync(`${file}.new`, file)
  }
  write({ pg: service })
  const started = await start(t, ['--config', file], { PORTHOLE_TOKEN })
  await until('pg is up', async () => (await started.health('pg')).code === 200)
  const register = (definition: object) =>
    fetch(`${started.url}/v1/services/web`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${PORTHOLE_TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify(definition),
    })
  /** Waits until every target of a service was checked. */
  const checked = (service: string, targets: number) =>
    until(`all targets of ${service} were checked`, async () => {
      const { body } = await started.health(service)
      return (
        body.targets.length === targets &&
        body.targets.every(({ reason }: { reason: string | null }) => reason !== null)
      )
    })
  return { ...started, write, register, checked }
}

test('adding healthy targets by the file or over HTTP answers no 503', { skip: noNamespace }, async (t) => {
  const [one, two, three] = [await listen(t), await listen(t), await listen(t)].map(({ target }) => target)
  const { url, write, register, checked, health } = await startWith(t, { targets: [one] })
  assert.equal((await register({ targets: [one] })).status, 201)
  await until('web is up', async () => (await health('web')).code === 200)
  const [ofFile, overHttp] = [askAllTheTime(`${url}/health/pg`), askAllTheTime(`${url}/health/web`)]
  const all = askAllTheTime(`${url}/health`)
  for (const targets of [
    [one, two],
    [three, one, two],
    [one, three],
    [one, two, three],
  ]) {
    write({ pg: { targets } })
    await checked('pg', targets.length)
    assert.equal((await register({ targets })).status, 200)
    await checked('web', targets.length)
  }
  assert.deepEqual([await ofFile.stop(), await overHttp.stop(), await all.stop()], [[200], [200], [200]])
})

test('a service with a new target that is silent answers 200 until the first check of that target ended, and 503 after that', {
  skip: noNamespace,
}, async (t) => {
  sh(
    'nft add table ip t; nft add chain ip t o "{ type filter hook input priority 0; }"; nft add rule ip t o ip daddr 127.9.9.9 drop',
  )
  const { target } = await listen(t)
  const { url, write, checked, health, metric } = await startWith(t, {
    targets: [target],
    interval: '30s',
    timeout: '5s',
  })
  const asking = askAllTheTime(`${url}/health/pg`)
  write({ pg: { targets: [target, '127.9.9.9:5432'], interval: '30s', timeout: '5s' } })
  const pending = await until('it is added', async () => {
    const { code, body } = await health('pg')
    return body.targets.length === 2 && { code, body }
  })
  const { status, targetsUp, targetsTotal, targets } = pending.body
  assert.deepEqual([pending.code, status, targetsUp, targetsTotal], [200, 'up', 1, 2])
  assert.equal(targets[1]?.message, 'added, not checked yet: it counts after its first check')
  const up = await metric('porthole_service_up')
  assert.deepEqual(Object.values(up), [1])
  await checked('pg', 2)
  const { code, body } = await health('pg')
  assert.deepEqual([code, body.targets[1]?.reason], [503, 'timeout'])
  assert.deepEqual(await asking.stop(), [200, 503])
})
