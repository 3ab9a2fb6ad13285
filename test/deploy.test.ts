/** Checks the files in deploy/ with the tools that read them, and against the code. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse, parseAllDocuments } from 'yaml'
import { buildApp } from '../src/app.ts'
import { type Config, parseConfig } from '../src/config/config.ts'
import { DiscoveredService } from '../src/http/services/sd.ts'
import { systemClock } from '../src/runtime/clock.ts'
import { buildIfOld } from '../tools/build.ts'
import { rendered } from './metrics/page.ts'
import { execForm } from './support/dockerfile.ts'
import { createParts, sampleReplica } from './support/parts.ts'
import { blocksOf, pages, root, tableOf } from './support/readme.ts'
import { sampleOutcome } from './support/samples.ts'

const read = (name: string) => readFileSync(join(root, name), 'utf8')
const documents = parseAllDocuments(read('deploy/kubernetes.yaml')).map((document) => {
  assert.deepEqual(document.errors, [])
  return document.toJS()
})
const object = (kind: string) => documents.find((document) => document.kind === kind)
const pod = object('Deployment').spec.template
const [container] = pod.spec.containers

/** Returns the reason to skip a test whose command is not installed; false where it is installed. */
function without(command: string, ...args: string[]): false | string {
  return spawnSync(command, args).error === undefined ? false : `${command} is not installed`
}

function run(command: string, ...args: string[]): void {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8', timeout: 60_000 })
  assert.equal(status, 0, `${command} ${args.join(' ')}\n${stdout}${stderr}`)
}

/** Parses the porthole.yaml of the ConfigMap. */
function mountedConfig(): Config {
  const text = object('ConfigMap').data['porthole.yaml']
  const result = parseConfig({ file: { name: 'porthole.yaml', text }, targets: [], env: {} })
  assert(result.ok, JSON.stringify(result))
  assert.deepEqual(result.advice, [])
  return result.config
}

const parts = () => {
  const clock = systemClock()
  const prober = {
    name: 'portable' as const,
    check: async () => sampleOutcome('connected', clock.now()),
    restarts: () => 0,
    close: async () => undefined,
  }
  const retryingStore = { storeState: () => ({ failure: null, waiting: 0 }) }
  return createParts({ prober, clock, retryingStore, replica: sampleReplica() })
}

const noPromtool = without('promtool', '--version')

test('promtool accepts the scrape configuration and the rules', { skip: noPromtool }, () => {
  run('promtool', 'check', 'config', '--lint-fatal', 'deploy/prometheus.yaml')
})

test('the scrape configuration discovers services at a route that exists, and uses labels that the route returns', async (t) => {
  const app = await buildApp(parts())
  t.after(() => app.close())
  const text = read('deploy/prometheus.yaml')
  const [{ url } = assert.fail()] = parse(text).scrape_configs.flatMap(
    (job: { http_sd_configs?: { url: string }[] }) => job.http_sd_configs ?? [],
  )
  const { pathname, search } = new URL(url)
  const response = await app.inject(pathname + search)
  assert.deepEqual([response.statusCode, response.json()], [200, []])
  const known = Object.keys(DiscoveredService.shape.labels.shape)
  const used = text.match(/__meta_porthole_\w+/g) ?? []
  assert(used.length > 0)
  assert.deepEqual(
    used.filter((name) => !known.includes(name)),
    [],
  )
})

test('the alerts pass their unit tests', { skip: noPromtool }, () => {
  run('promtool', 'test', 'rules', 'test/deploy/prometheus-rules.test.yaml')
})

test('every alert has a unit test, and reads only metrics that Porthole has', async () => {
  const rules = read('deploy/prometheus-rules.yaml')
  const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name = '']) => name)
  assert(alerts.length > 0)
  const tested = read('test/deploy/prometheus-rules.test.yaml')
  assert.deepEqual(
    alerts.filter((name) => !new RegExp(`alertname: ${name}\n`).test(tested)),
    [],
  )

  const page = await rendered(parts().metrics)
  const known = new Set([...page.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name))
  const readByRules = rules.match(/\bporthole_\w+/g) ?? []
  assert.deepEqual(
    readByRules.filter((name) => !known.has(name.replace(/_bucket$/, ''))),
    [],
  )
})

test('the queries of the documentation are PromQL, and read only metrics of its table', {
  skip: noPromtool,
}, (t) => {
  const queries = pages.flatMap(({ text }) => blocksOf(text).filter(({ language }) => language === 'promql'))
  assert(queries.length > 0)
  const rules = queries.map(({ text: expr }, index) => ({ record: `query:${index}`, expr }))
  const folder = mkdtempSync(join(tmpdir(), 'porthole-queries-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'rules.json')
  writeFileSync(file, JSON.stringify({ groups: [{ name: 'queries', rules }] }))
  run('promtool', 'check', 'rules', file)

  const known = new Set(tableOf('| metric | labels | meaning |').map(([name]) => name))
  const used = queries.flatMap(({ text }) => text.match(/\bporthole_\w+/g) ?? [])
  assert.deepEqual(
    used.filter((name) => !known.has(name.replace(/_bucket$/, ''))),
    [],
  )
})

test('the ConfigMap holds a configuration without problems', () => {
  const { listen, services } = mountedConfig()
  assert(services.length > 0)
  assert.deepEqual(container.ports, [{ name: 'http', containerPort: listen.port }])
})

test('the ConfigMap is mounted where the image looks for its configuration', () => {
  const [workdir] = read('Dockerfile').match(/(?<=^WORKDIR )\S+(?![\s\S]*^WORKDIR)/m) ?? []
  const mount = container.volumeMounts.find(({ mountPath }: { mountPath: string }) => mountPath === workdir)
  assert(mount !== undefined)
  assert.equal(mount.subPath, undefined)
  const volume = pod.spec.volumes.find(({ name }: { name: string }) => name === mount.name)
  assert.equal(volume.configMap.name, object('ConfigMap').metadata.name)
})

test('the probes use routes that exist, and liveness does not depend on targets', async (t) => {
  const app = await buildApp(parts())
  t.after(() => app.close())
  const { livenessProbe, readinessProbe } = container
  assert.deepEqual(
    [livenessProbe.httpGet, readinessProbe.httpGet],
    [
      { path: '/livez', port: 'http' },
      { path: '/readyz', port: 'http' },
    ],
  )
  for (const { path } of [livenessProbe.httpGet, readinessProbe.httpGet]) {
    assert.equal((await app.inject(path)).statusCode, 200, path)
  }
})

test('the pod may take longer to close than the configured delay', () => {
  const { shutdownDelayMs } = mountedConfig()
  const gracePeriodMs = (pod.spec.terminationGracePeriodSeconds ?? 30) * 1000
  assert(gracePeriodMs > shutdownDelayMs + 3500)
})

test('the pod runs without privileges, tokens or the variables that clash with PORTHOLE_PORT', () => {
  assert.equal(pod.spec.enableServiceLinks, false)
  assert.equal(pod.spec.automountServiceAccountToken, false)
  const { runAsNonRoot, runAsUser, runAsGroup } = pod.spec.securityContext
  const [, user] = /^USER (\S+)$/m.exec(read('Dockerfile')) ?? []
  assert.deepEqual([runAsNonRoot, `${runAsUser}:${runAsGroup}`], [true, user])
  assert.deepEqual(container.securityContext, {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  })
})

test('the Service and the ServiceMonitor select the pods', () => {
  const monitor = parse(read('deploy/servicemonitor.yaml'))
  const service = object('Service')
  const { labels } = pod.metadata
  assert.deepEqual(object('Deployment').spec.selector.matchLabels, labels)
  assert.deepEqual(service.spec.selector, labels)
  assert.deepEqual(monitor.spec.selector.matchLabels, service.metadata.labels)
  assert.equal(monitor.spec.endpoints[0].port, service.spec.ports[0].name)
  assert.equal(monitor.spec.endpoints[0].honorLabels, true)
  // The Prometheus Operator names the job after the Service, and the alerts select that job.
  assert.match(read('deploy/prometheus-rules.yaml'), new RegExp(`up\\{job="${service.metadata.name}"\\}`))
})

test('systemd accepts the unit', { skip: without('systemd-analyze', '--version') }, async (t) => {
  // systemd looks whether the program exists.
  await buildIfOld()
  const folder = mkdtempSync(join(tmpdir(), 'porthole-unit-'))
  t.after(() => rmSync(folder, { recursive: true }))
  // The unit expects a checkout in /opt/porthole. The test points it to this checkout.
  const unit = read('deploy/porthole.service').replaceAll('/opt/porthole', root)
  assert.match(unit, new RegExp(`^ExecStart=${root}/dist/porthole.js `, 'm'))
  const file = join(folder, 'porthole.service')
  writeFileSync(file, unit)
  run('systemd-analyze', 'verify', '--man=no', file)
})

test('npm, systemd, the image and the documentation run the entry itself, whose first line has the options of Node.js', () => {
  const [first] = read('src/porthole.js').split('\n')
  assert.match(first ?? '', /^#!\/usr\/bin\/env -S node --v8-pool-size=0 --max-semi-space-size=4$/)
  assert.match(JSON.parse(read('package.json')).scripts.start, /&& exec dist\/porthole\.js$/)
  assert.match(read('deploy/porthole.service'), /^ExecStart=\/opt\/porthole\/dist\/porthole\.js /m)
  assert.deepEqual(execForm(/^ENTRYPOINT (.*)$/m.exec(read('Dockerfile'))?.[1] ?? ''), ['/app/dist/porthole.js'])
  for (const { path, text } of pages) assert.doesNotMatch(text, /\bnode\b[^`\n]* (src|dist)\/porthole\.js/, path)
})

test('systemd waits longer than Porthole takes to close with the longest delay', () => {
  const [, seconds] = /^TimeoutStopSec=(\d+)$/m.exec(read('deploy/porthole.service')) ?? []
  const longestMs = 60_000
  const accepts = (ms: number) =>
    parseConfig({ file: { name: 'a.yaml', text: `shutdownDelay: ${ms}ms` }, targets: [], env: {} }).ok
  assert.deepEqual([accepts(longestMs), accepts(longestMs + 1)], [true, false])
  assert(Number(seconds) * 1000 > longestMs + 3500)
})
