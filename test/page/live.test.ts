/** The pages in a real browser, served by a real Porthole. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { listenForChecks } from '../replicas/fleet/fleet.ts'
import { createFolder, fileScope, start, until } from '../support/process.ts'
import { freePort } from '../support/redis-server.ts'
import { noChromium, shareBrowser } from './browser.ts'
import { defaults, headline, live, row, rows, serve, startProxy } from './served.ts'

const skip = { skip: noChromium }
const openBrowser = shareBrowser(fileScope())
const mark = (page: Page) => page.evaluate(() => Object.assign(globalThis, { marked: true }))
const isMarked = (page: Page) => page.evaluate(() => 'marked' in globalThis)

test('an open page shows without a reload that a service goes down and comes back', skip, async (t) => {
  const [one, other] = await listenForChecks(t, 2)
  assert(one && other)
  const { url } = await serve(t, {
    postgres: { targets: [`127.0.0.1:${one.port}`], groups: ['storage'] },
    redis: { targets: [`127.0.0.1:${other.port}`], groups: ['storage'] },
  })
  const open = await openBrowser(t)
  const { page, complaints } = await open(url)
  await headline(page).getByText('All 2 services up').waitFor()
  await live(page)
  await mark(page)

  await one.close()
  await headline(page).getByText('1 of 2 services down').waitFor()
  assert.deepEqual(await rows(page), ['postgres', 'redis'], 'the worst is first')
  assert.match(
    (await row(page, 'postgres').textContent()) ?? '',
    /down for \d s.*0\/1 up.*nothing listens on 127\.0\.0\.1/s,
  )
  assert.equal(await page.title(), '1 down · Porthole')
  assert.match((await page.locator('link[rel=icon]').getAttribute('href')) ?? '', /icon-down\.svg/)
  assert.equal(await page.locator('.group').getAttribute('data-status'), 'down')
  await page.locator('#news').getByText('postgres is down: 0 of 1 targets up').waitFor()

  await one.open()
  await headline(page).getByText('All 2 services up').waitFor()
  assert.equal(await page.title(), 'All up · Porthole')
  assert.equal(await row(page, 'postgres').locator('.why').count(), 0)
  assert.match((await row(page, 'postgres').locator('.sparkline').getAttribute('aria-label')) ?? '', /\d+ failed/)
  assert.equal(await isMarked(page), true)
  assert.deepEqual(complaints, [])
})

test('a page whose connection is lost says how old it is, and recovers by itself', skip, async (t) => {
  const [one] = await listenForChecks(t, 1)
  assert(one)
  const port = await freePort()
  const services = { postgres: { targets: [`127.0.0.1:${one.port}`] } }
  const before = await serve(t, services, { port })
  const open = await openBrowser(t)
  const { page, complaints, expectLoss } = await open(before.url)
  await live(page)
  await mark(page)
  assert.equal(await page.locator('#lost').isVisible(), false)

  expectLoss()
  before.child.kill('SIGKILL')
  await before.ended
  await page
    .locator('#lost')
    .getByText(/The connection is lost\. This page is [1-9]\d* s old\./)
    .waitFor()
  assert.match(await page.title(), /^Connection lost · /)
  assert.equal(await page.locator('#live').textContent(), 'Connection lost')
  assert.equal(await row(page, 'postgres').count(), 1, 'the services are still listed')

  await one.close()
  await serve(t, services, { port })
  await headline(page).getByText('1 of 1 service down').waitFor()
  await live(page)
  assert.equal(await page.locator('#lost').isVisible(), false)
  assert.equal(await page.title(), '1 down · Porthole')
  await one.open()
  await headline(page).getByText('The one service is up').waitFor()
  assert.equal(await isMarked(page), true)
  assert.deepEqual(complaints, [])
})

test('services can be searched, filtered and selected by keys, and the address keeps the query', skip, async (t) => {
  const targets = await listenForChecks(t, 3)
  const [one, two, three] = targets.map(({ port }) => `127.0.0.1:${port}`)
  const { url } = await serve(t, {
    'orders-db': { targets: [one], groups: ['shop'] },
    'orders-queue': { targets: [two], groups: ['shop', 'queues'] },
    mail: { targets: [three], groups: ['queues'] },
    gone: { targets: ['127.0.0.1:1'] },
  })
  const open = await openBrowser(t)
  const { page, complaints } = await open(url)
  await headline(page).getByText('1 of 4 services down').waitFor()
  await live(page)
  const shows = (...names: string[]) =>
    until(`it shows ${names}`, async () => (await rows(page)).join() === names.join())

  await page.keyboard.press('/')
  await page.keyboard.type('ORDERS')
  await shows('orders-db', 'orders-queue')
  assert.equal(await page.locator('.shown').textContent(), '2 of 4')
  assert.equal(new URL(page.url()).search, '?q=ORDERS')
  await page.reload()
  await live(page)
  await shows('orders-db', 'orders-queue')
  assert.equal(await page.locator('input[type=search]').inputValue(), 'ORDERS')

  await page.keyboard.press('/')
  await page.keyboard.press('Escape')
  await shows('gone', 'mail', 'orders-db', 'orders-queue')
  await page.getByRole('link', { name: /queues/ }).click()
  await shows('mail', 'orders-queue')
  assert.equal(new URL(page.url()).search, '?group=queues')
  await page.keyboard.press('/')
  await page.keyboard.type(targets[1]?.port.toString() ?? '')
  await shows('orders-queue')
  assert.match(new URL(page.url()).search, /^\?q=\d+&group=queues$/)
  await page.keyboard.press('Escape')
  await page.getByRole('link', { name: /queues/ }).click()
  await page.getByRole('checkbox', { name: /down/ }).check()
  await shows('gone')
  assert.equal(new URL(page.url()).search, '?status=down')
  await page.getByRole('checkbox', { name: /down/ }).uncheck()
  await shows('gone', 'mail', 'orders-db', 'orders-queue')

  await page.keyboard.press('/')
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('j')
  // Refreshes replace the list all the time, and the focus stays.
  await page.waitForTimeout(600)
  await page.keyboard.press('j')
  await page.keyboard.press('k')
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/services\/mail$/)
  await page.goBack()
  await shows('gone', 'mail', 'orders-db', 'orders-queue')

  await page.keyboard.press('/')
  await page.keyboard.type('no such thing')
  await page.getByText('No service matches.').waitFor()
  assert.deepEqual(complaints, [])
})

test(
  "a service's own page shows its targets, a chart, transitions and snippets, and stays up to date",
  skip,
  async (t) => {
    const [one, other] = await listenForChecks(t, 2)
    assert(one && other)
    const targets = [`127.0.0.1:${one.port}`, `127.0.0.1:${other.port}`]
    const { url } = await serve(t, { postgres: { targets, quorum: 'any' } })
    const open = await openBrowser(t)
    const { page, complaints } = await open(`${url}/services/postgres`)
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
    await page.locator('.headline').getByText('up', { exact: true }).waitFor()
    await page.locator('#plot canvas').waitFor()
    await page
      .locator('#plot')
      .getByText(targets[1] ?? '')
      .waitFor()
    await live(page)
    await mark(page)

    await other.close()
    await page.locator('.headline').getByText('degraded').waitFor()
    const failing = page.locator(`tr[data-key="${targets[1]}"]`)
    await failing.getByText('nothing listens on').waitFor()
    assert.match((await failing.textContent()) ?? '', /refused/)
    await failing.getByText(/\d+ down/).waitFor()
    await page.locator('[data-part="transitions"]').getByText('1 of 2 targets up').first().waitFor()
    assert.equal(await page.title(), 'postgres degraded · Porthole')
    await other.open()
    await page.locator('.headline').getByText('up', { exact: true }).waitFor()
    await failing.getByText('connected in').waitFor()

    await page.getByRole('button', { name: 'Copy: curl' }).click()
    await page.getByRole('button', { name: 'Copy: curl' }).getByText('Copied').waitFor()
    assert.equal(
      await page.evaluate('navigator.clipboard.readText()'),
      `curl --fail-with-body -sS '${url}/health/postgres'`,
    )
    assert.equal(await isMarked(page), true)
    assert.deepEqual(complaints, [])
  },
)

test(
  'an open page of a service shows that the service is removed, and shows it completely when it is back',
  skip,
  async (t) => {
    const [one] = await listenForChecks(t, 1)
    const file = join(createFolder(t), 'porthole.json')
    const write = (services: object) =>
      writeFileSync(file, JSON.stringify({ listen: { host: '127.0.0.1', port: 0 }, defaults, services }))
    const kept = { targets: [`127.0.0.1:${one?.port}`] }
    write({ kept, brief: kept })
    const { url, child } = await start(t, ['--config', file])
    const open = await openBrowser(t)
    const { page, expectLoss } = await open(`${url}/services/brief`)
    await live(page)
    // Chromium writes to the console that a page is 404, and the test expects that.
    expectLoss()
    write({ kept })
    child.kill('SIGHUP')
    await page.getByText('No service has this name. It may have been removed.').waitFor()
    write({ kept, brief: kept })
    child.kill('SIGHUP')
    await page.locator('#plot canvas').waitFor()
    await page.getByRole('button', { name: 'Copy: curl' }).waitFor()
    write({ kept })
    child.kill('SIGHUP')
    await page.getByText('No service has this name. It may have been removed.').waitFor()
    await page.getByRole('link', { name: 'All services' }).click()
    await headline(page).getByText('The one service is up').waitFor()
  },
)

test('names are shown as text, whatever characters they have', skip, async (t) => {
  const [one] = await listenForChecks(t, 1)
  const image = '<img src=x onerror=alert(1)>'
  const hostile = [
    image,
    '"><script>alert(1)</script>',
    "' onfocus='alert(1)",
    'a/b?c#d%41&amp;',
    '{{ 7*7 }} `id` $(id)',
    'ünï✓ 𝔘𝔫𝔦',
  ]
  const targets = [`127.0.0.1:${one?.port}`, '127.0.0.1:1']
  const { url } = await serve(t, Object.fromEntries(hostile.map((name) => [name, { targets, groups: [name] }])))
  const open = await openBrowser(t)
  const { page, complaints } = await open(url)
  page.on('dialog', (dialog) => complaints.push(`it ran: ${dialog.message()}`))
  await headline(page).getByText('6 of 6 services down').waitFor()
  await live(page)
  assert.deepEqual((await rows(page)).sort(), [...hostile].sort())
  for (const name of hostile) {
    await page.locator('.service').getByRole('link', { name, exact: true }).click()
    await page.locator('#plot canvas').waitFor()
    assert.equal(await headline(page).textContent(), name)
    assert.equal(await page.title(), `${name} down · Porthole`)
    await page.goBack()
    await live(page)
  }
  await page.getByRole('searchbox').fill(image)
  await until('it is found', async () => (await rows(page)).length === 1)
  assert.deepEqual(complaints, [])
})

test(
  'behind a proxy under a path all links and files are found, whether the proxy sends the prefix or not',
  skip,
  async (t) => {
    const [one] = await listenForChecks(t, 1)
    const { url } = await serve(t, { postgres: { targets: [`127.0.0.1:${one?.port}`] } })
    for (const headers of [{}, { 'x-forwarded-prefix': '/status/porthole' }]) {
      const proxied = await startProxy(t, { '/status/porthole': url }, { headers })
      const open = await openBrowser(t)
      const { page, complaints } = await open(`${proxied}/status/porthole/`)
      await live(page)
      await headline(page).getByText('The one service is up').waitFor()
      await page.getByRole('link', { name: 'postgres' }).click()
      await page.locator('#plot canvas').waitFor()
      assert.equal(page.url(), `${proxied}/status/porthole/services/postgres`)
      await page
        .locator('code')
        .getByText(`curl --fail-with-body -sS '${proxied}/status/porthole/health/postgres'`)
        .waitFor()
      await page.getByRole('link', { name: 'All services' }).click()
      await headline(page).getByText('The one service is up').waitFor()
      assert.deepEqual(complaints, [])
    }
  },
)

test('a page is still updated when events come faster than answers', skip, async (t) => {
  const [one] = await listenForChecks(t, 1)
  assert(one)
  const { url } = await serve(t, { postgres: { targets: [`127.0.0.1:${one.port}`] } })
  // An answer takes longer than the time between two events.
  const slow = await startProxy(t, { '': url }, { delayMs: 700 })
  const open = await openBrowser(t)
  const { page, complaints } = await open(`${slow}/`)
  await live(page)
  const shown = new Set<string | null>()
  const until = Date.now() + 6000
  while (Date.now() < until) {
    await (one.isOpen() ? one.close() : one.open())
    await page.waitForTimeout(400)
    shown.add(await page.locator('.as-of').textContent())
  }
  assert.ok(shown.size >= 3, `${shown.size} answers were shown in 6 s`)
  assert.deepEqual(complaints, [])
})

test('clients that may not see details see statuses, which are kept up to date', skip, async (t) => {
  const [one] = await listenForChecks(t, 1)
  assert(one)
  const more = { details: 'token', tokens: { tests: `sha256:${'0'.repeat(64)}` } }
  const { url } = await serve(t, { postgres: { targets: [`127.0.0.1:${one.port}`] } }, { more })
  const open = await openBrowser(t)
  const { page, complaints } = await open(url)
  await headline(page).getByText('The one service is up').waitFor()
  await one.close()
  await headline(page).getByText('1 of 1 service down').waitFor()
  assert.doesNotMatch(await page.content(), new RegExp(`${one.port}|nothing listens`))
  assert.deepEqual(complaints, [])
})
