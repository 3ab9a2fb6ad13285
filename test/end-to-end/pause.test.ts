/** Porthole is stopped by SIGSTOP and continued, as by a frozen cgroup, a debugger or a paused virtual machine. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { listen } from '../support/app.ts'
import { createFolder, start, until } from '../support/process.ts'

type Started = Awaited<ReturnType<typeof start>>

/** Starts Porthole with many services, and waits until all are up. */
async function startOver(t: TestContext, settings: string, count: number, prober: string, env = {}): Promise<Started> {
  const { target } = await listen(t)
  const services = Array.from({ length: count }, (_, i) => `  s${i}: { targets: ['${target}'] }`)
  const file = join(createFolder(t), 'porthole.yaml')
  writeFileSync(file, `defaults: { ${settings} }\nservices:\n${services.join('\n')}\n`)
  const porthole = await start(t, ['--config', file], { PORTHOLE_PROBER: prober, ...env })
  await until('all are up', async () => (await fetch(`${porthole.url}/health`)).status === 200)
  return porthole
}

/** Stops the process for a time while a request waits. Returns the status code of the request. */
async function pause({ child, url }: Started, ms: number): Promise<number> {
  child.kill('SIGSTOP')
  const waiting = fetch(`${url}/health/s0`)
  await sleep(ms)
  child.kill('SIGCONT')
  return (await waiting).status
}

type ReportedTransition = { service: string; target: string | null; from: string; to: string }

/** Returns the transitions without the first verdict of each service. */
async function changesOf(url: string): Promise<ReportedTransition[]> {
  const response = await fetch(`${url}/v1/transitions?limit=1000`)
  const { transitions } = (await response.json()) as { transitions: ReportedTransition[] }
  return transitions.filter(({ from, to }) => !(from === 'unknown' && to === 'up'))
}

/** Returns the number of transitions to up. */
async function countUps(url: string): Promise<number> {
  const response = await fetch(`${url}/v1/transitions?limit=1000`)
  const { transitions } = (await response.json()) as { transitions: ReportedTransition[] }
  return transitions.length
}

for (const prober of ['kernel', 'portable']) {
  test(`a Porthole that was stopped for 5 s keeps its statuses (${prober} prober)`, async (t) => {
    const porthole = await startOver(t, 'interval: 1s, timeout: 2s', 270, prober)
    const { url, metric } = porthole
    const before = await countUps(url)
    const code = await pause(porthole, 5000)
    const all = await fetch(`${url}/health`)
    const age = Number((await fetch(`${url}/health/s1`)).headers.get('age'))
    assert.deepEqual([code, all.status], [200, 200], await all.text())
    // If it was not checked yet, the answer has its real age.
    assert.ok(age >= 0 && age < 30)
    await until('checks go on', async () => Number((await fetch(`${url}/health`)).headers.get('age')) < 2)
    assert.deepEqual(await changesOf(url), [])
    assert.equal(await countUps(url), before)
    await porthole.logged(/^Porthole did not run for [\d.]+ s/)
    const { '{part="process"}': seconds = 0 } = await metric('porthole_pause_seconds_total')
    assert.ok(seconds >= 4.5, `${seconds} s`)
  })

  test(`a pause that is longer than the trust in a status is a gap, and no transition (${prober} prober)`, async (t) => {
    const startedAt = performance.now()
    const porthole = await startOver(t, 'interval: 500ms, timeout: 500ms', 20, prober)
    const { url } = porthole
    const before = await countUps(url)
    assert.equal(await pause(porthole, 6000), 503)
    await until('all are up again', async () => (await fetch(`${url}/health`)).status === 200)
    assert.deepEqual(await changesOf(url), [])
    assert.equal(await countUps(url), before)
    const uptime = async () => {
      const response = await fetch(`${url}/v1/services/s0/uptime`)
      const { windows } = (await response.json()) as { windows: { upMs: number; downMs: number }[] }
      return windows[0]
    }
    const { upMs = 0, downMs = -1 } = (await uptime()) ?? {}
    assert.equal(downMs, 0)
    const mostMs = performance.now() - startedAt - 5500
    assert.ok(upMs > 0 && upMs < mostMs, `up for ${upMs} ms of ${mostMs} ms at most`)
  })
}

test('registrations that are renewed while Porthole is stopped do not expire', async (t) => {
  const { target } = await listen(t)
  const porthole = await start(t, ['web=127.0.0.1:1'], { PORTHOLE_TOKEN: 'a-token-for-tests-0123' })
  const { url, child } = porthole
  const renew = async () => {
    const response = await fetch(`${url}/v1/services/worker`, {
      method: 'PUT',
      headers: { authorization: 'Bearer a-token-for-tests-0123', 'content-type': 'application/json' },
      body: JSON.stringify({ targets: [target], ttl: '4s' }),
    })
    return response.status
  }
  assert.equal(await renew(), 201)
  child.kill('SIGSTOP')
  const waiting: Promise<number>[] = []
  for (let second = 0; second < 6; second++) {
    await sleep(1000)
    waiting.push(renew())
  }
  child.kill('SIGCONT')
  // If it had expired, the first of them would create the registration again.
  assert.deepEqual(await Promise.all(waiting), Array(6).fill(200))
})

/**
 * Returns the thread of the kernel prober. It waits for the network most of the time, as the main thread does. Node.js's own timer thread is
 * left out.
 */
function proberThread(pid: number): number | undefined {
  const folder = `/proc/${pid}/task`
  const read = (thread: string, name: string) => readFileSync(join(folder, thread, name), 'utf8')
  const threads = readdirSync(folder).filter((thread) => thread !== String(pid))
  return threads
    .filter((thread) => /ep_poll|epoll/.test(read(thread, 'wchan')) && !read(thread, 'comm').startsWith('Delayed'))
    .map(Number)[0]
}

/** Stops one thread of a child of this process, as a debugger does (ptrace(2)). */
async function loadPtrace() {
  const PTRACE_ATTACH = 16
  const PTRACE_DETACH = 17
  const koffi = await import('koffi')
  const ptrace = koffi.default.load('libc.so.6').func('long ptrace(long, long, long, long)')
  return {
    stop: (thread: number): boolean => ptrace(PTRACE_ATTACH, thread, 0, 0) === 0,
    go: (thread: number): boolean => ptrace(PTRACE_DETACH, thread, 0, 0) === 0,
  }
}

test('a prober whose thread does not run for 3 s makes no target unknown', async (t) => {
  const { stop, go } = await loadPtrace()
  const porthole = await startOver(t, 'interval: 1s, timeout: 500ms', 200, 'kernel')
  const { url, child, metric } = porthole
  const before = await countUps(url)
  let thread: number | undefined
  await until('the prober waits', async () => {
    thread = proberThread(child.pid as number)
    return thread !== undefined
  })
  if (!stop(thread as number)) {
    t.skip('this process may not stop a thread of its child (ptrace)')
    return
  }
  const codes: number[] = []
  const until3s = performance.now() + 3000
  while (performance.now() < until3s) {
    codes.push((await fetch(`${url}/health`)).status)
    await sleep(50)
  }
  assert.ok(go(thread as number))
  await until('checks go on', async () => {
    const response = await fetch(`${url}/health`)
    codes.push(response.status)
    return Number(response.headers.get('age')) < 1
  })
  assert.deepEqual(
    codes.filter((code) => code !== 200),
    [],
  )
  assert.deepEqual(await changesOf(url), [])
  assert.equal(await countUps(url), before)
  await porthole.logged(/^the prober did not run for [\d.]+ s, and runs again/)
  const { '{part="prober"}': seconds = 0 } = await metric('porthole_pause_seconds_total')
  assert.ok(seconds > 2 && seconds < 10, `${seconds} s`)
})
