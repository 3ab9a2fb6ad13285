/** Debian's Chromium, and its complaints about a page. */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, join } from 'node:path'
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { limitMs, type Scope } from '../support/process.ts'

const executablePath = (process.env.PATH ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'chromium'))
  .find((path) => existsSync(path))

/** Why tests in a browser cannot run here; false where they can. */
export const noChromium: string | false = executablePath === undefined ? 'chromium is not installed' : false

/**
 * Without a sandbox, because Chromium has none as root. Chromium must not contact other hosts: their names resolve to nothing, and
 * proxies of the environment are ignored. There is no `--disable-features`, because it would replace Playwright's own longer list.
 */
const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--no-default-browser-check',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-domain-reliability',
  '--disable-sync',
  '--no-proxy-server',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
]

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** A page that is open in a browser. */
export type Tab = {
  readonly page: Page
  /** The faults of the page: errors of scripts, violations of its policy, files that failed to load, and requests to other hosts. */
  readonly complaints: string[]
  /** Ignores files that fail to load from now on, because the test stops the server. */
  expectLoss(): void
}

type TabOptions = {
  readonly javaScript?: boolean
  readonly colorScheme?: 'light' | 'dark'
  readonly width?: number
  readonly height?: number
  /** A tab whose profile the new tab uses. The two tabs share connections, workers and cache. */
  readonly beside?: Tab
  /** Runs in the page before its own scripts. */
  readonly script?: string
}

/** Opens tabs, each with its own profile unless `beside` names a tab. */
export type OpenTab = (url: string, options?: TabOptions) => Promise<Tab>

/** Starts a browser that ends with its owner. */
export async function startBrowser(owner: Scope): Promise<OpenTab> {
  const browser = await launch()
  owner.after(() => browser.close())
  return opener(browser, { after: () => undefined })
}

/**
 * Returns a function that opens tabs for a test in a browser of all tests of a file, because a start of Chromium takes three seconds of CPU. The
 * first test starts it. The profiles of a test are closed after it, so no page of another test is open.
 */
export function shareBrowser(file: Scope): (t: Scope) => Promise<OpenTab> {
  let browser: Promise<Browser> | undefined
  file.after(async () => (await browser)?.close())
  return async (t) => {
    browser ??= launch()
    return opener(await browser, t)
  }
}

const launch = (): Promise<Browser> => chromium.launch({ executablePath: executablePath ?? '', args })

/** Returns a function that opens tabs in a browser. Their profiles are closed with `t`. */
function opener(browser: Browser, t: Scope): OpenTab {
  async function createProfile(options: BrowserContextOptions): Promise<BrowserContext> {
    const context = await browser.newContext(options)
    t.after(() => context.close())
    return context
  }
  return async (
    url,
    { javaScript = true, colorScheme = 'light', width = 1280, height = 900, beside, script = '' } = {},
  ) => {
    const context =
      beside?.page.context() ??
      (await createProfile({ javaScriptEnabled: javaScript, colorScheme, viewport: { width, height } }))
    const page = await context.newPage()
    const complaints: string[] = []
    let isLossExpected = false
    const { origin } = new URL(url)
    page.on('console', (message) => {
      const isLoss = /net::ERR|Failed to load resource/.test(message.text())
      if (['error', 'warning'].includes(message.type()) && !(isLoss && isLossExpected)) complaints.push(message.text())
    })
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('request', (request) => {
      if (new URL(request.url()).origin !== origin) complaints.push(`asked another host: ${request.url()}`)
    })
    await page.addInitScript(script)
    await page.goto(url)
    return {
      page,
      complaints,
      expectLoss() {
        isLossExpected = true
      },
    }
  }
}

/** The globals of a page, as far as the tests use them. The complete types of browsers would conflict with those of Node.js. */
type InPage = {
  readonly axe: { run(): Promise<{ violations: Violation[] }> }
  /** Set by the first step of `timeKey` for its second step. */
  timed: Promise<KeyTimes>
  addEventListener(type: 'keydown', listener: (event: { timeStamp: number }) => void, options: { once: true }): void
  requestAnimationFrame(paint: () => void): void
  readonly document: { addEventListener(type: 'shown', listener: () => void, options: { once: true }): void }
  /** `buffered` also reports tasks from before the observer started. */
  readonly observer: { observe(options: { type: 'longtask'; buffered: true }): void }
}
type Violation = { readonly id: string; readonly impact: string; readonly nodes: readonly { target: string[] }[] }
/** Milliseconds until the page can handle the next key, and until the result of this key is painted. */
type KeyTimes = { readonly takenMs: number; readonly shownMs: number }

/** Returns the accessibility faults that axe-core finds, a line for each rule. */
export async function audit(page: Page): Promise<string[]> {
  // The debugger evaluates the script, so the policy of the page does not forbid it.
  await page.evaluate(axe)
  return page.evaluate(async () => {
    const { violations } = await (globalThis as unknown as InPage).axe.run()
    return violations.map(
      ({ id, impact, nodes }) => `${id} (${impact}): ${nodes.map(({ target }) => target.join(' ')).join(', ')}`,
    )
  })
}

/** Presses a key in the page, and waits until the result is painted. */
export async function timeKey(page: Page, key: string, withinMs = limitMs): Promise<KeyTimes> {
  await page.evaluate((withinMs) => {
    const global = globalThis as unknown as InPage
    global.timed = new Promise((done, fail) => {
      setTimeout(() => fail(new Error(`nothing was shown within ${withinMs} ms`)), withinMs)
      global.addEventListener(
        'keydown',
        ({ timeStamp: from }) => {
          let takenMs = 0
          setTimeout(() => {
            takenMs = performance.now() - from
          })
          const painted = () =>
            global.requestAnimationFrame(() => setTimeout(() => done({ takenMs, shownMs: performance.now() - from })))
          global.document.addEventListener('shown', painted, { once: true })
        },
        { once: true },
      )
    })
    // The second step waits for it. Until then its failure would be an unhandled rejection, which the page reports.
    global.timed.catch(() => {})
  }, withinMs)
  await page.keyboard.press(key)
  return page.evaluate(() => (globalThis as unknown as InPage).timed)
}

/** Returns the longest task since the page was opened, in milliseconds; 0 where no task took 50 ms. */
export async function longestTaskMs(page: Page): Promise<number> {
  return page.evaluate(
    () =>
      new Promise((done) => {
        let longest = 0
        const observer = new PerformanceObserver((list) => {
          for (const { duration } of list.getEntries()) longest = Math.max(longest, duration)
        })
        ;(observer as unknown as InPage['observer']).observe({ type: 'longtask', buffered: true })
        setTimeout(() => done(Math.round(longest)), 100)
      }),
  )
}
