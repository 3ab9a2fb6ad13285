import assert from 'node:assert/strict'
import { test } from 'node:test'
import { build, nobody } from '../../support/app.ts'
import { sampleService } from '../../support/samples.ts'

test('livez is 200 and says ok while every target is down', async (t) => {
  const { get, sweep } = await build(t, [sampleService('broken', [nobody])])
  await sweep()
  assert.equal((await get('/health')).statusCode, 503)
  const { statusCode, body, headers } = await get('/livez')
  assert.deepEqual([statusCode, body], [200, 'ok'])
  assert.deepEqual([headers['content-type'], headers['cache-control']], ['text/plain; charset=utf-8', 'no-store'])
  assert.equal((await get('/livez?verbose')).body, '[+]process ok\nlivez check passed\n')
})

test('livez stays 200 while Porthole is not ready', async (t) => {
  const { get, readiness } = await build(t, [sampleService('pg', [nobody])])
  readiness.drain()
  assert.equal((await get('/livez')).statusCode, 200)
})

test('readyz fails until every scheduled target was checked, with any outcome', async (t) => {
  const { get, sweep } = await build(t, [sampleService('a', [nobody]), sampleService('b', [nobody])])
  await sweep('a')
  const before = await get('/readyz')
  assert.deepEqual(
    [before.statusCode, before.body],
    [
      503,
      '[-]first-sweep failed: not every scheduled target has been checked yet\n[+]shutdown ok\nreadyz check failed\n',
    ],
  )
  await sweep('b')
  const after = await get('/readyz')
  assert.deepEqual([after.statusCode, after.body], [200, 'ok'])
  assert.equal((await get('/readyz?verbose')).body, '[+]first-sweep ok\n[+]shutdown ok\nreadyz check passed\n')
})

test('readyz fails again while Porthole is shutting down, and says so', async (t) => {
  const { get, readiness } = await build(t)
  assert.equal((await get('/readyz')).statusCode, 200)
  readiness.drain()
  const { statusCode, body } = await get('/readyz')
  assert.deepEqual(
    [statusCode, body],
    [503, '[+]first-sweep ok\n[-]shutdown failed: Porthole is shutting down\nreadyz check failed\n'],
  )
})

test('an unknown parameter never fails a probe', async (t) => {
  const { get } = await build(t)
  for (const path of ['/livez', '/readyz'])
    for (const query of [
      '?',
      '?verbose=1',
      '?verbose=a&verbose=b',
      '?exclude=etcd',
      '?timeout=1s',
      '?_=17',
      '?%zz',
      '?a[b]=1&__proto__=x',
    ])
      assert.equal((await get(path + query)).statusCode, 200, path + query)
})
