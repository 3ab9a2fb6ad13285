/** Takes the README's pictures of the status page, of a day that is the same every time: `npm run screenshot`. Needs Chromium. */
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { stage } from '../test/page/scene.ts'

const folder = join(import.meta.dirname, '../docs')
const endings: (() => unknown)[] = []
const { listen } = await stage({ after: (ending) => void endings.push(ending as () => unknown) })
const url = await listen()
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] })
try {
  for (const colorScheme of ['light', 'dark'] as const) {
    const page = await browser.newPage({ viewport: { width: 1240, height: 900 }, colorScheme })
    await page.goto(url)
    await page.locator('#live[data-live="yes"]').waitFor()
    const path = join(folder, `status-page-${colorScheme}.png`)
    await page.screenshot({ path })
    console.log(path)
  }
} finally {
  await browser.close()
  for (const ending of endings.reverse()) await ending()
}
