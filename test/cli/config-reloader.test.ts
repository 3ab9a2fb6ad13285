/** The behaviour of Porthole when a configuration file is written while it runs. */
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { appendFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { listen } from '../support/app.ts'
import { askAllTheTime } from '../support/asking.ts'
import { createFolder, start, until } from '../support/process.ts'

/** Starts Porthole with a file of 200 services. Each line of the file is valid on its own. */
async function startWithMany(t: TestContext) {
  const { target } = await listen(t)
  const file = join(createFolder(t), 'porthole.yaml')
  const head = 'services:\n'
  const lines = (from: number, to: number, timeout = '2s') =>
    Array.from(
      { length: to - from },
      (_, i) => `  s${from + i}: { targets: ["${target}"], timeout: ${timeout} }\n`,
    ).join('')
  writeFileSync(file, head + lines(0, 200))
  const porthole = await start(t, ['--config', file])
  await until('the last service is up', async () => (await porthole.health('s199')).code === 200)
  return { ...porthole, file, head, lines }
}

test('a file that is written in place in two halves loses no service and no history', async (t) => {
  const { url, file, head, lines, health } = await startWithMany(t)
  const { body: before } = await health('s199')
  const asking = askAllTheTime(`${url}/health/s199`)
  writeFileSync(file, head + lines(0, 100, '3s'))
  await sleep(300)
  appendFileSync(file, lines(100, 200, '3s'))
  await until('the new definition is in force', async () => {
    const detail = (await (await fetch(`${url}/v1/services/s199`)).json()) as { definition: { timeout: string } }
    return detail.definition.timeout === '3s'
  })
  assert.deepEqual(await asking.stop(), [200])
  const { body: after } = await health('s199')
  assert.equal(after.since, before.since)
})

test('half a file that stays the same is not used for five seconds, except after a SIGHUP', async (t) => {
  const { child, file, head, lines, health, logged } = await startWithMany(t)
  writeFileSync(file, head + lines(0, 100))
  const { msg } = await logged(/services are not in it/)
  assert.match(
    msg,
    /was written in place and 100 of 200 services are not in it: it is used once it stays the same for 5s, or on SIGHUP$/,
  )
  assert.equal((await health('s199')).code, 200)
  child.kill('SIGHUP')
  await until('it is used', async () => (await health('s199')).code === 404)
})

test('half a file is used at once if it was renamed over the old one', async (t) => {
  const { file, head, lines, health } = await startWithMany(t)
  writeFileSync(`${file}.new`, head + lines(0, 100))
  renameSync(`${file}.new`, file)
  await until('it is used', async () => (await health('s199')).code === 404)
})

test('removing a token from the file ends its event stream, and the token reads nothing more', async (t) => {
  const file = join(createFolder(t), 'porthole.yaml')
  const token = 'a-token-that-is-withdrawn'
  const other = `other: "sha256:${'0'.repeat(64)}"`
  const write = (tokens: string, path: string) =>
    writeFileSync(path, `services: { db: { targets: ["127.0.0.1:1"] } }\ndetails: token\ntokens: { ${tokens} }\n`)
  write(`${other}, mine: "sha256:${hash('sha256', token)}"`, file)
  const { url } = await start(t, ['--config', file])
  const read = () => fetch(`${url}/v1/events`, { headers: { authorization: `Bearer ${token}` } })
  const stream = await read()
  assert.equal(stream.status, 200)
  const cut = stream.text().then(
    () => false,
    () => true,
  )
  write(other, `${file}.new`)
  renameSync(`${file}.new`, file)
  assert.equal(await cut, true)
  assert.equal((await read()).status, 401)
})
