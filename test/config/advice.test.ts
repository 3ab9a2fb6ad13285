import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAdvice } from '../../src/cli/commands/validate.ts'
import { parseConfig } from '../../src/config/config.ts'

function adviceFor(text: string, targets: string[] = []): string[] {
  const result = parseConfig({ file: { name: 'porthole.yaml', text }, targets, env: {} })
  assert.ok(result.ok, JSON.stringify(result))
  return result.advice.map(formatAdvice)
}

test('the built-in policy needs no advice', () => {
  assert.deepEqual(adviceFor('services: { a: { targets: [a:1, db:3306] } }'), [])
})

test('a timeout under 1.1 s leaves no room for a lost packet', () => {
  assert.deepEqual(
    adviceFor('services: { a: { targets: [a:1], timeout: 1099ms }, b: { targets: [b:1], timeout: 1100ms } }'),
    [
      'porthole.yaml:1:43: advice: services.a.timeout: a timeout of 1099ms leaves no room for one lost packet, which Linux sends again after 1s: write 1100ms or more',
    ],
  )
})

test('advice on a timeout above the interval has the place where the service sets one of them', () => {
  const about = (timeout: string, interval: string) =>
    `the timeout (${timeout}) is above the interval (${interval}), so slow checks skip the next one: write a timeout of at most ${interval}, or a longer interval`
  assert.deepEqual(
    adviceFor(`services:
  own-timeout: { targets: [a:1], timeout: 11s }
  own-interval: { targets: [a:1], interval: 1s }
  equal: { targets: [a:1], interval: 2s }
  on-demand: { targets: [a:1], interval: off, timeout: 60s }
`),
    [
      `porthole.yaml:2:43: advice: services.own-timeout.timeout: ${about('11s', '10s')}`,
      `porthole.yaml:3:45: advice: services.own-interval.interval: ${about('2s', '1s')}`,
    ],
  )
})

test('advice on a value of defaults comes once, at the defaults', () => {
  assert.deepEqual(
    adviceFor(
      `defaults: { timeout: 1s, interval: 500ms, close: rst }
services:
  a: { targets: [a:3306] }
  b: { targets: [b:3307] }
`,
      ['c:3306'],
    ).map((line) => line.replace(/(\S+ advice: \S+) .*/, '$1')),
    [
      'porthole.yaml:1:22: advice: defaults.timeout:',
      'porthole.yaml:1:22: advice: defaults.timeout:',
      'porthole.yaml:1:50: advice: defaults.close:',
    ],
  )
})

test('a close mode that MySQL counts as a failed login gets advice for the ports of MySQL', () => {
  assert.deepEqual(
    adviceFor(`services:
  mysql: { targets: [db:3306], close: fin }
  mariadb: { targets: [db:3307], close: half-open }
  postgres: { targets: [db:5432], close: rst }
`),
    [
      'porthole.yaml:2:39: advice: services.mysql.close: MySQL and MariaDB block a host after 100 connections that end before login (max_connect_errors): write close: half-open for ports 3306 and 3307',
    ],
  )
})

test('intervals that have no effect get advice', () => {
  assert.deepEqual(
    adviceFor(`services:
  slow: { targets: [a:1], fastInterval: 11s }
  asked: { targets: [a:1], interval: off, fastInterval: 1s, downInterval: 1s }
`),
    [
      'porthole.yaml:2:41: advice: services.slow.fastInterval: fastInterval (11s) is above the interval (10s), so changes are confirmed later, not sooner: write at most 10s',
      'porthole.yaml:3:57: advice: services.asked.fastInterval: fastInterval has no effect beside interval: off: remove one of them',
      'porthole.yaml:3:75: advice: services.asked.downInterval: downInterval has no effect beside interval: off: remove one of them',
    ],
  )
})

test('a name that a URL has to encode gets advice with that URL', () => {
  const about = (name: string, character: string, written: string) =>
    `a name with ${character} is not found by /health/${name}: write /health/${written}, or choose a name without it`
  assert.deepEqual(
    adviceFor(`services:
  team/app: { targets: [a:1] }
  "50%": { targets: [b:1] }
  "what?": { targets: [c:1] }
  plain name-1.x: { targets: [d:1] }
`),
    [
      `porthole.yaml:2:3: advice: services."team/app": ${about('team/app', '/', 'team%2Fapp')}`,
      `porthole.yaml:3:3: advice: services."50%": ${about('50%', '%', '50%25')}`,
      `porthole.yaml:4:3: advice: services."what?": ${about('what?', '?', 'what%3F')}`,
    ],
  )
})
