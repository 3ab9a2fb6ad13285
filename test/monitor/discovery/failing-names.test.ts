import assert from 'node:assert/strict'
import { test } from 'node:test'
import { watchFailingNames } from '../../../src/monitor/discovery/failing-names.ts'
import { sampleService } from '../../support/samples.ts'
import { watch } from '../fakes.ts'

function watchNames() {
  const state = watch([
    sampleService('a', ['db.internal:1', '10.0.0.1:1']),
    sampleService('all', ['web.internal:1'], { resolve: 'all' }),
  ])
  const told: string[] = []
  watchFailingNames(state.monitor).subscribe(({ service, target, failure }) =>
    told.push(`${service} ${target} ${failure}`),
  )
  return { ...state, told, name: state.target('a', 'db.internal:1'), literal: state.target('a', '10.0.0.1:1') }
}

test('a name that cannot be looked up is reported once, and once more when it can be', async () => {
  const { checkOnce, told, name } = watchNames()
  await checkOnce(name, 'connected')
  // The last known address of the name is checked.
  await checkOnce(name, 'connected', { address: '10.0.0.9:1', lookupFailedSince: 5 })
  await checkOnce(name, 'refused', { address: '10.0.0.9:1', lookupFailedSince: 5 })
  // After the recovery, nothing more is reported.
  await checkOnce(name, 'local', { address: null, code: 'EAI_AGAIN', lookupFailedSince: 5 })
  assert.deepEqual(told, ['a db.internal:1 no answer'])
  await checkOnce(name, 'connected')
  assert.deepEqual(told.slice(1), ['a db.internal:1 null'])
})

test('a name that was never found is reported with the error of its look-up', async () => {
  const { checkOnce, told, name } = watchNames()
  await checkOnce(name, 'local', { address: null, code: null })
  await checkOnce(name, 'dns', { address: null, code: 'ENOTFOUND' })
  await checkOnce(name, 'local', { address: null, code: 'EAI_AGAIN' })
  assert.deepEqual(told, ['a db.internal:1 timeout', 'a db.internal:1 null', 'a db.internal:1 EAI_AGAIN'])
})

test('a look-up without a thread, a failed dial and names with resolve: all are not reported here', async () => {
  const { checkOnce, told, name, literal, target } = watchNames()
  await checkOnce(name, 'local', { address: null, code: 'EQUEUED' })
  await checkOnce(name, 'local', { code: 'EMFILE' })
  await checkOnce(literal, 'local', { code: 'EMFILE' })
  await checkOnce(target('all', 'web.internal:1'), 'local', { address: null, code: 'EAI_AGAIN' })
  assert.deepEqual(told, [])
})
