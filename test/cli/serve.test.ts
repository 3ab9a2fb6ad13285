import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { serve } from '../../src/cli/serve.ts'
import { type Config, parseConfig } from '../../src/config/config.ts'
import { familyOf } from '../metrics/page.ts'
import { listen, nobody } from '../support/app.ts'

/** Creates a configuration with these targets and a free port, which logs nothing. */
function configOf(targets: string[], yaml = ''): Config {
  const read = parseConfig({
    file: { name: 'porthole.yaml', text: `shutdownDelay: 0s\n${yaml}` },
    targets,
    env: { PORTHOLE_HOST: '127.0.0.1', PORTHOLE_PORT: '0', PORTHOLE_LOG_LEVEL: 'silent' },
  })
  assert.ok(read.ok)
  return read.config
}

async function serveFor(t: TestContext, config: Config) {
  const porthole = await serve(config, { version: '0.0.0-test' })
  assert.ok(typeof porthole !== 'string', String(porthole))
  t.after(() => porthole.close())
  return porthole
}

async function metric(url: string, name: string): Promise<number | undefined> {
  return familyOf(await (await fetch(`${url}/metrics`)).text(), name)['']
}

test('it checks by itself, and becomes ready after the first sweep', async (t) => {
  const { target } = await listen(t)
  const { url } = await serveFor(t, configOf([`db=${target}`, `gone=${nobody}`]))
  let ready = 503
  while (ready !== 200) ready = (await fetch(`${url}/readyz`)).status
  assert.equal((await fetch(`${url}/health/db`)).status, 200)
  assert.equal((await fetch(`${url}/health/gone`)).status, 503)
})

test('a port that is taken is an error with the remedy, and nothing is left running', async (t) => {
  const server = net.createServer().listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const config = { ...configOf([]), listen: { host: '127.0.0.1', port, hosts: null } }
  assert.equal(
    await serve(config, { version: '0.0.0-test' }),
    `127.0.0.1:${port} is taken by another program: stop it, or set listen in the configuration, or PORTHOLE_HOST and PORTHOLE_PORT`,
  )
})

test('a reloaded configuration is in force at once; one that cannot be read changes only the gauge', async (t) => {
  const { url, reload, reloadFailed } = await serveFor(t, configOf([`a=${nobody}`]))
  const codes = async () => [(await fetch(`${url}/health/a`)).status, (await fetch(`${url}/health/b`)).status]
  const gauge = () => metric(url, 'porthole_config_last_reload_successful')
  assert.deepEqual([...(await codes()), await gauge()], [503, 404, 1])
  reloadFailed(['porthole.yaml:1:1: wrong'])
  assert.deepEqual([...(await codes()), await gauge()], [503, 404, 0])
  await reload(configOf([`b=${nobody}`]))
  assert.deepEqual([...(await codes()), await gauge()], [404, 503, 1])
})

test('after close nothing listens and nothing is checked', async (t) => {
  const { target, dials } = await listen(t)
  const porthole = await serve(configOf([`db=${target}`], 'defaults: { interval: 100ms }'), { version: '0.0.0-test' })
  assert.ok(typeof porthole !== 'string')
  while ((await fetch(`${porthole.url}/health/db`)).status !== 200) await new Promise(setImmediate)
  await porthole.close()
  const before = await dials()
  await assert.rejects(fetch(`${porthole.url}/livez`))
  await new Promise((done) => setTimeout(done, 350))
  assert.equal(await dials(), before)
})

test('a change of the rule for details cuts the event streams that were opened under the old rule', async (t) => {
  const open = 'services: { db: { targets: ["127.0.0.1:1"] } }'
  const porthole = await serveFor(t, configOf([], open))
  const reading = await fetch(`${porthole.url}/v1/events`)
  assert.equal(reading.status, 200)
  const ended = reading.text().catch((error: Error) => error)
  await porthole.reload(configOf([], open))
  assert.equal(await Promise.race([ended, fetch(`${porthole.url}/livez`).then(() => 'goes on')]), 'goes on')
  await porthole.reload(configOf([], `${open}\ndetails: token\ntokens: { tests: "sha256:${'0'.repeat(64)}" }`))
  await ended
  assert.equal((await fetch(`${porthole.url}/v1/events`)).status, 401)
})

test('withdrawing a token cuts every event stream, and the other clients resume without a loss', async (t) => {
  const hashOf = (token: string) => `sha256:${hash('sha256', token)}`
  const [kept, withdrawn] = ['the-token-that-stays', 'the-token-that-goes']
  const yaml = (tokens: string) =>
    `services: { db: { targets: ["127.0.0.1:1"] } }\ndetails: token\ntokens: { ${tokens} }`
  const both = yaml(`a: "${hashOf(kept)}", b: "${hashOf(withdrawn)}"`)
  const porthole = await serveFor(t, configOf([], both))
  const read = (token: string, lastEventId = '') =>
    fetch(`${porthole.url}/v1/events`, {
      headers: { authorization: `Bearer ${token}`, ...(lastEventId === '' ? {} : { 'last-event-id': lastEventId }) },
    })
  const streams = await Promise.all([kept, withdrawn].map((token) => read(token)))
  assert.deepEqual(
    streams.map(({ status }) => status),
    [200, 200],
  )
  const texts = streams.map((stream) => readAll(stream))
  await porthole.reload(configOf([], yaml(`a: "${hashOf(kept)}"`)))
  const [{ text = '' } = {}, ...others] = await Promise.all(texts)
  assert.deepEqual([others.length, others[0]?.isCut], [1, true])
  assert.equal((await read(withdrawn)).status, 401)
  const id = [...text.matchAll(/^id: (\S+)$/gm)].at(-1)?.[1]
  assert.ok(id, text)
  const again = await read(kept, id)
  assert.equal(again.status, 200)
  const { value } = (await again.body?.getReader().read()) ?? {}
  // There is no `reset`, because no event is missing.
  assert.doesNotMatch(new TextDecoder().decode(value), /^event: reset$/m)
})

/** Reads a body to its end. Returns the text, and whether the body was cut. */
async function readAll({ body }: Response): Promise<{ text: string; isCut: boolean }> {
  let text = ''
  try {
    for await (const chunk of body ?? []) text += new TextDecoder().decode(chunk)
    return { text, isCut: false }
  } catch {
    return { text, isCut: true }
  }
}
