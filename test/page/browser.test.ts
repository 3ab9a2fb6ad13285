/** Tests that the tests in a browser would notice faults. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import http, { type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileScope, until } from '../support/process.ts'
import { audit, longestTaskMs, noChromium, shareBrowser, startBrowser, timeKey } from './browser.ts'

const skip = { skip: noChromium }
const openBrowser = shareBrowser(fileScope())
const policy = "default-src 'none'; script-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'"
const types = { js: 'text/javascript', svg: 'image/svg+xml' }
const picture = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'

/** Returns a page that contains `inner`. */
const pageOf = (inner: string) =>
  `<!doctype html><html lang="en"><title>A page</title><link rel="icon" href="/picture.svg"><main><h1>A page</h1>${inner}</main></html>`

/** Serves one page that contains `inner` and runs `script`, under a strict policy. The answer of /held never ends. */
async function serve(t: TestContext, { inner = '', script = '' } = {}) {
  const asked: string[] = []
  const held: ServerResponse[] = []
  const files: Partial<Record<string, string>> = {
    '/': pageOf(`${inner}<script src="/script.js"></script>`),
    '/script.js': script,
    '/picture.svg': picture,
  }
  const server = http.createServer(({ url = '' }, response) => {
    asked.push(url)
    const type = types[url.split('.')[1] as keyof typeof types] ?? 'text/html'
    response.writeHead(url in files || url === '/held' ? 200 : 404, {
      'content-type': url === '/held' ? 'text/event-stream' : type,
      'content-security-policy': policy,
    })
    if (url !== '/held') return void response.end(files[url])
    held.push(response)
    response.write(':\n\n')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = () => {
    server.close()
    server.closeAllConnections()
  }
  t.after(close)
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, asked, held, close }
}

test('a page without faults has no complaints, and passes the audit under a strict policy', skip, async (t) => {
  const { url, asked } = await serve(t, { inner: '<img src="/picture.svg" alt="A picture">' })
  const open = await openBrowser(t)
  const { page, complaints } = await open(url)
  assert.deepEqual(await audit(page), [])
  assert.deepEqual(complaints, [])
  assert.deepEqual(new Set(asked), new Set(['/', '/script.js', '/picture.svg']))
})

test('every fault of a page is a complaint', skip, async (t) => {
  const faults: [{ inner?: string; script?: string }, RegExp][] = [
    [{ script: "console.error('it said so')" }, /^it said so$/],
    [{ script: "console.warn('it said so')" }, /^it said so$/],
    [{ script: "throw new Error('not caught')" }, /^not caught$/],
    [{ script: "Promise.reject(new Error('not awaited'))" }, /^not awaited$/],
    [{ inner: '<script>1</script>' }, /inline script violates .*Content Security Policy/],
    [{ inner: '<p style="color: red">Red</p>' }, /inline style violates .*Content Security Policy/],
    [{ script: "document.body.setAttribute('onclick', '1')" }, /inline event handler violates/],
    [{ inner: '<script src="/no-such.js"></script>' }, /status of 404/],
    [
      { inner: '<img src="http://elsewhere.test/x.svg" alt="">' },
      /^asked another host: http:\/\/elsewhere\.test\/x\.svg$/,
    ],
  ]
  const open = await openBrowser(t)
  for (const [fault, expected] of faults) {
    const { complaints } = await open((await serve(t, fault)).url)
    await until(`${JSON.stringify(fault)} is complained of`, async () => complaints.some((one) => expected.test(one)))
  }
})

test('the audit names the rule, the severity and the element', skip, async (t) => {
  const open = await openBrowser(t)
  const { page } = await open((await serve(t, { inner: '<img src="/picture.svg">' })).url)
  assert.deepEqual(await audit(page), ['image-alt (critical): img'])
})

test('a lost connection is a complaint until it is expected, and other faults always are', skip, async (t) => {
  const { url, close } = await serve(t)
  const open = await openBrowser(t)
  const { page, complaints, expectLoss } = await open(url)
  close()
  const ask = () => page.evaluate("fetch('/').catch(() => undefined)")
  await ask()
  await until('the loss is complained of', async () => complaints.length > 0)
  expectLoss()
  // The icon may be lost as well.
  assert.deepEqual(new Set(complaints.splice(0)), new Set(['Failed to load resource: net::ERR_CONNECTION_REFUSED']))
  await ask()
  // Messages of the console arrive in order.
  await page.evaluate("console.error('something else')")
  await until('the other is complained of', async () => complaints.includes('something else'))
  assert.deepEqual(complaints, ['something else'])
})

test('a key is timed until the page shows the result, and the longest task is measured', skip, async (t) => {
  const script = `addEventListener('keydown', ({ key }) => {
    const from = performance.now()
    while (performance.now() - from < 150);
    if (key === 'a') setTimeout(() => document.dispatchEvent(new Event('shown')), 100)
  })`
  const open = await openBrowser(t)
  const { page, complaints } = await open((await serve(t, { script })).url)
  // On a busy machine the page may already have had a long task.
  const before = await longestTaskMs(page)
  const { takenMs, shownMs } = await timeKey(page, 'a')
  assert(takenMs >= 150 && shownMs >= takenMs + 50, `taken after ${takenMs} ms, shown after ${shownMs} ms`)
  assert((await longestTaskMs(page)) >= Math.max(150, before))
  await assert.rejects(timeKey(page, 'b', 300), /nothing was shown within 300 ms/)
  assert.deepEqual(complaints, [])
})

test('the browser finds no other host, and does not use the proxy that the environment names', skip, async (t) => {
  const proxy = await serve(t)
  const { http_proxy: before } = process.env
  process.env.http_proxy = proxy.url
  t.after(() => {
    if (before === undefined) delete process.env.http_proxy
    else process.env.http_proxy = before
  })
  const open = await startBrowser(t)
  const { page } = await open((await serve(t)).url)
  await assert.rejects(page.goto('http://elsewhere.test/'), /ERR_NAME_NOT_RESOLVED/)
  await assert.rejects(page.goto('http://127.0.0.2/'), /ERR_NAME_NOT_RESOLVED/)
  assert.deepEqual(proxy.asked, [])
})

test('a browser ends with its test, and with its process even if that is killed', skip, async (t) => {
  const { url, held } = await serve(t, { script: "new EventSource('/held')" })
  const opened = (count: number) => until('the page is open', async () => held.length === count)
  const gone = () => until('the browser is gone', async () => held.at(-1)?.closed)
  await t.test('its test', async (t) => {
    const open = await startBrowser(t)
    await open(url)
    await opened(1)
  })
  await gone()
  const program = `
    import { startBrowser } from ${JSON.stringify(import.meta.resolve('./browser.ts'))}
    await (await startBrowser({ after() {} }))('${url}')`
  // The files of a killed browser stay on the disk, and the browser writes to them until its end.
  const folder = mkdtempSync(join(tmpdir(), 'porthole-test-'))
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  t.after(async () => {
    child.kill('SIGKILL')
    await until('its folder stays gone', async () => {
      rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
      await sleep(500)
      return !existsSync(folder)
    })
  })
  await opened(2)
  child.kill('SIGKILL')
  await gone()
})
