import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConfig } from '../../src/config/config.ts'
import { formatProblem } from '../../src/config/problem.ts'

function adviceFor(text: string): string[] {
  const result = parseConfig({ file: { name: 'porthole.yaml', text }, targets: [], env: {} })
  assert.ok(result.ok, JSON.stringify(result))
  return result.advice.map(formatProblem)
}

const services = `services:
  postgres: { targets: [db:5432], groups: [payments, payments] }
  redis: { targets: [cache:6379], groups: [payments, search] }
`

test('a group without a service in the file gets advice with the existing groups', () => {
  assert.deepEqual(adviceFor(`${services}groups:\n  payment: { quorum: any }\n  search: {}\n`), [
    'porthole.yaml:5:3: groups.payment: no service of this file is in it: right only if services of this group are registered over HTTP; the groups here are payments, search',
  ])
  assert.deepEqual(adviceFor('services: { a: { targets: [a:1] } }\ngroups: { g: { quorum: 3 } }'), [
    'porthole.yaml:2:11: groups.g: no service of this file is in it: right only if services of this group are registered over HTTP; no service here is in a group',
  ])
})

test('a quorum that the services of the file can never meet gets advice at its place', () => {
  assert.deepEqual(adviceFor(`${services}groups:\n  payments: { quorum: 3 }\n  search: { quorum: 2 }\n`), [
    "porthole.yaml:5:23: groups.payments.quorum: a quorum of 3 cannot be met by the 2 of this file's services that are in the group: write at most 2, unless more are registered over HTTP",
    "porthole.yaml:6:21: groups.search.quorum: a quorum of 2 cannot be met by the 1 of this file's services that are in the group: write at most 1, unless more are registered over HTTP",
  ])
})

test('a quorum that they can meet needs no advice', () => {
  for (const quorum of ['all', 'any', 1, 2, '1%', '100%']) {
    assert.deepEqual(adviceFor(`${services}groups: { payments: { quorum: ${quorum} } }`), [], String(quorum))
  }
})
