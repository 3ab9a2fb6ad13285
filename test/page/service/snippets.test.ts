/** Gives the snippets of a service's page to the programs that they are for: a shell, a YAML parser and promtool. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { parse } from 'yaml'
import { ServiceName } from '../../../src/domain/service/service.ts'
import { snippets } from '../../../src/page/service/snippets.ts'
import { createFolder } from '../../support/process.ts'

const origin = 'http://localhost:8080/'
const names = [
  'postgres',
  "it's $(reboot)",
  "'; reboot; '",
  '"; drop',
  'a\\b',
  '\\',
  '\\"',
  '{{ printf }}',
  '{{ $labels.instance }}',
  '# comment',
  ': x',
  '- x',
  '`reboot`',
  '$HOME',
  '!!',
  '🐘 Zürich',
  '%41',
  '%',
  '-x',
  '--output',
  'a/b?c=d&e#f',
  '[1-9]{a,b}',
  '"} or {service="other',
  '.*',
  '|-',
  '&amp;',
  '<b>',
  '~',
  'null',
  '…/…',
  'left\u202Eright',
  '\uFEFF',
  '\uFFFE\uFFFF\\\uFEFF',
  'x'.repeat(200),
]

/** Returns the snippets of a service by purpose. */
function snippetsOf(name: string, from = origin, port = 8080) {
  assert.ok(ServiceName.safeParse(name).success, `a service can be named ${name}`)
  const [curl, kubernetes, query, alert] = snippets(name, { origin: from, port }).map(({ text }) => text)
  assert(curl && kubernetes && query && alert)
  return { curl, kubernetes, query, alert }
}

/** Returns the arguments that a shell makes of a line. The shell finds no programs, because its PATH is empty. */
function argumentsOf(line: string): string[] {
  const script = `curl() { for one; do printf '%s\\n' "$one"; done; }\n${line}\n`
  const { status, stdout, stderr } = spawnSync('/bin/sh', ['-euc', script], { env: { PATH: '' }, encoding: 'utf8' })
  assert.deepEqual([status, stderr], [0, ''], line)
  return stdout.split('\n').slice(0, -1)
}

/** Returns the name in a path, as a server decodes it. */
function nameIn(path: string): string {
  assert.match(path, /^\/health\/[^/?#]+$/)
  return decodeURIComponent(path.slice('/health/'.length))
}

test('the snippet for curl is one command with one URL, which leads to the service', () => {
  for (const name of names) {
    const [url = '', ...options] = argumentsOf(snippetsOf(name).curl).reverse()
    assert.deepEqual(options, ['-sS', '--fail-with-body'])
    // The URL must not contain brackets or braces, because curl expands them to several URLs.
    assert.match(url, /^http:\/\/localhost:8080\/health\/[\w.~%-]+$/)
    assert.equal(nameIn(new URL(url).pathname), name)
  }
})

test('behind a proxy the snippet for curl leads through the proxy', () => {
  const [url = ''] = argumentsOf(snippetsOf('a b', 'https://status.example/porthole/').curl).reverse()
  assert.equal(url, 'https://status.example/porthole/health/a%20b')
})

test('the readiness probe is YAML whose path leads to the service, at the port that Porthole listens on', () => {
  for (const name of names) {
    const { readinessProbe } = parse(snippetsOf(name).kubernetes, { strict: true })
    assert.deepEqual(Object.keys(readinessProbe.httpGet), ['path', 'port'])
    assert.equal(nameIn(readinessProbe.httpGet.path), name)
    assert.equal(readinessProbe.httpGet.port, 8080)
  }
  const behindProxy = snippetsOf('pg', 'https://status.example:8443/porthole/', 9090).kubernetes
  assert.equal(parse(behindProxy).readinessProbe.httpGet.port, 9090)
})

test('the alert is one rule, whatever the name of the service', () => {
  for (const name of names) {
    const [rule, ...others] = parse(snippetsOf(name).alert, { strict: true })
    assert.deepEqual(others, [])
    assert.deepEqual(Object.keys(rule), ['alert', 'expr', 'for', 'labels', 'annotations'])
    assert.deepEqual(rule.annotations, { summary: '{{ $labels.service }} is down' })
    assert.ok(rule.expr.startsWith(snippetsOf(name).query), 'the alert begins with the query')
  }
})

test('any name is safe in a path, in a PromQL string and in YAML', () => {
  const anyName = fc
    .string({
      unit: fc.oneof(fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }), fc.constantFrom(...'"\'\\{}$`#:')),
      minLength: 1,
    })
    .filter((name) => ServiceName.safeParse(name).success)
  fc.assert(
    fc.property(anyName, (name) => {
      const { curl, kubernetes, query, alert } = snippetsOf(name)
      assert.match(curl, /^curl --fail-with-body -sS 'http:\/\/localhost:8080\/health\/[\w.~%-]+'$/)
      assert.equal(nameIn(parse(kubernetes).readinessProbe.httpGet.path), name)
      const [, text = ''] = /^[\w ,()]+\{service=("(?:[^"\\]|\\.)*")\}\)$/u.exec(query) ?? []
      assert.equal(JSON.parse(text), name)
      // A quote in a name is escaped, so that it does not end the string.
      assert.equal(parse(alert)[0].expr.match(/\{service="/g).length, 3)
    }),
  )
})

const noPromtool = spawnSync('promtool', ['--version']).error === undefined ? false : 'promtool is not installed'

/** Writes JSON that is valid YAML too. YAML forbids some characters that JSON allows, so they are escaped. */
const write = (content: unknown) =>
  JSON.stringify(content).replace(/[\uFEFF\uFFFE\uFFFF]/g, (one) => `\\u${one.charCodeAt(0).toString(16)}`)

/** Runs promtool in a folder with these files. Fails unless promtool succeeds. */
function promtool(t: TestContext, files: Record<string, unknown>, ...args: string[]): void {
  const cwd = createFolder(t)
  for (const [file, content] of Object.entries(files))
    writeFileSync(join(cwd, file), typeof content === 'string' ? content : write(content))
  const { status, stdout, stderr } = spawnSync('promtool', args, { cwd, encoding: 'utf8', timeout: 60_000 })
  assert.equal(status, 0, `${stdout}${stderr}`)
}

/** Returns a file of rules with a group for each service, which has the service's alert and its query. */
function rulesFile(): string {
  const groups = names.map((name, index) => {
    const { alert, query } = snippetsOf(name)
    const record = `- record: asked\n  expr: |-\n    ${query}`
    return `  - name: "${index}"\n    rules:\n${`${alert}\n${record}`.replace(/^/gm, '      ')}\n`
  })
  return `groups:\n${groups.join('')}`
}

test('promtool accepts the alert and the query, whatever the name of the service', { skip: noPromtool }, (t) => {
  promtool(t, { 'rules.yaml': rulesFile() }, 'check', 'rules', 'rules.yaml')
})

test('the alert and the query are about this service and no other', { skip: noPromtool }, (t) => {
  const series = (metric: string, labels: string, values: string) => ({ series: `${metric}{${labels}}`, values })
  const down = (name: string) => [
    series('porthole_service_up', `instance="a", service=${JSON.stringify(name)}`, '0x20'),
    series(
      'porthole_target_down_reason',
      `instance="a", service=${JSON.stringify(name)}, target="db:1", reason="refused"`,
      '1x20',
    ),
  ]
  const fired = (name: string) => ({
    exp_labels: { severity: 'critical', service: name },
    exp_annotations: { summary: `${name} is down` },
  })
  const ask = (name: string) => snippetsOf(name).query
  const shown = (name: string) => `{service=${JSON.stringify(name)}}`
  const test = {
    name: 'all of them down, and others beside them',
    interval: '15s',
    input_series: [...names, 'other', 'postgres2', 'PG', "it''s", 'A', 'a'].flatMap(down),
    alert_rule_test: [
      { alertname: 'PortholeServiceDown', eval_time: '30s', exp_alerts: [] },
      { alertname: 'PortholeServiceDown', eval_time: '3m', exp_alerts: names.map(fired) },
    ],
    promql_expr_test: names.map((name) => ({
      expr: ask(name),
      eval_time: '3m',
      exp_samples: [{ labels: shown(name), value: 0 }],
    })),
  }
  const files = {
    'rules.yaml': rulesFile(),
    'test.yaml': { rule_files: ['rules.yaml'], evaluation_interval: '15s', tests: [test] },
  }
  promtool(t, files, 'test', 'rules', 'test.yaml')
})

test('the alert does not fire while no target is down, while the service is up, and while it is drained', {
  skip: noPromtool,
}, (t) => {
  const series = (metric: string, labels: string, values: string) => ({ series: `${metric}{${labels}}`, values })
  const silent = [
    [series('porthole_service_up', 'service="postgres"', '0x20')],
    [
      series('porthole_service_up', 'service="postgres"', '0x20'),
      series('porthole_target_down_reason', 'service="postgres", target="db:1", reason="local"', '1x20'),
    ],
    [
      series('porthole_service_up', 'service="postgres", instance="a"', '0x20'),
      series('porthole_service_up', 'service="postgres", instance="b"', '1x20'),
      series('porthole_target_down_reason', 'service="postgres", target="db:1", reason="refused"', '1x20'),
    ],
    [
      series('porthole_service_up', 'service="postgres"', '0x20'),
      series('porthole_target_down_reason', 'service="postgres", target="db:1", reason="refused"', '1x20'),
      series('porthole_service_draining', 'service="postgres"', '1x20'),
    ],
  ]
  const tests = silent.map((input_series) => ({
    interval: '15s',
    input_series,
    alert_rule_test: [{ alertname: 'PortholeServiceDown', eval_time: '4m', exp_alerts: [] }],
  }))
  const files = {
    'rules.yaml': rulesFile(),
    'test.yaml': { rule_files: ['rules.yaml'], evaluation_interval: '15s', tests },
  }
  promtool(t, files, 'test', 'rules', 'test.yaml')
})
