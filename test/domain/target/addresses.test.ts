import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type Addresses,
  boundAddresses,
  membersOf,
  namesOf,
  noAddresses,
  sortIps,
} from '../../../src/domain/target/addresses.ts'
import { targetKey } from '../../../src/domain/target/target.ts'
import { sampleService } from '../../support/samples.ts'

const all = (...targets: string[]) => sampleService('pg', targets, { resolve: 'all' })
/** The addresses of each name. */
const standFor = (found: Record<string, readonly string[]>): Addresses => new Map(Object.entries(found))
const membersIn = (targets: readonly string[], found: Record<string, readonly string[]>) =>
  membersOf(all(...targets), standFor(found)).map(({ name, resolvedFrom }) => [name, resolvedFrom])

test('each name is replaced by its addresses in its place, and literal addresses and names without addresses stay', () => {
  const targets = ['db:5432', '10.9.9.9:5432', 'other:5433', 'gone:1', 'new:1']
  const found = { 'other:5433': ['fd00::1'], 'db:5432': ['10.0.0.1', '10.0.0.2'], 'gone:1': [] }
  assert.deepEqual(membersIn(targets, found), [
    ['10.0.0.1:5432', 'db:5432'],
    ['10.0.0.2:5432', 'db:5432'],
    ['10.9.9.9:5432', null],
    ['[fd00::1]:5433', 'other:5433'],
    ['gone:1', null],
    ['new:1', null],
  ])
})

test('each address appears once: as configured, otherwise with the first name that has it', () => {
  const found = { 'a:1': ['10.0.0.1', '10.0.0.2', 'fd00::1'], 'b:1': ['10.0.0.2', '10.0.0.3'], 'c:1': ['10.0.0.1'] }
  assert.deepEqual(membersIn(['a:1', 'b:1', 'c:1', '10.0.0.1:1', '[FD00:0::1]:1'], found), [
    ['10.0.0.2:1', 'a:1'],
    ['10.0.0.3:1', 'b:1'],
    ['10.0.0.1:1', null],
    ['[FD00:0::1]:1', null],
  ])
})

test('equal addresses on different ports are different targets', () => {
  const found = { 'db:1': ['10.0.0.1'], 'db:2': ['10.0.0.1'] }
  assert.deepEqual(membersIn(['db:1', 'db:2'], found), [
    ['10.0.0.1:1', 'db:1'],
    ['10.0.0.1:2', 'db:2'],
  ])
})

test('no target appears twice, and every name has at least one target', () => {
  const ip = fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.10', 'fd00::1', 'fd00::2')
  const found = fc.record({ 'a:1': fc.array(ip), 'b:1': fc.array(ip), 'c:2': fc.array(ip) })
  fc.assert(
    fc.property(
      found,
      fc.subarray(['a:1', 'b:1', 'c:2', 'd:1', '10.0.0.1:1', '[fd00::2]:2'], { minLength: 1 }),
      (found, names) => {
        const members = membersOf(all(...names), standFor(found))
        assert.equal(new Set(members.map(targetKey)).size, members.length)
        assert.ok(members.length > 0)
      },
    ),
  )
})

test('a service with resolve: first has its configured targets, whatever addresses are known', () => {
  const service = sampleService('pg', ['db:1'])
  assert.deepEqual(membersOf(service, standFor({ 'db:1': ['10.0.0.1'] })), service.targets)
  assert.deepEqual(namesOf(service), [])
})

test('only names are looked up', () => {
  const { targets } = all('db:1', '10.0.0.1:1', '[::1]:1', 'other:1')
  assert.deepEqual(namesOf(all('db:1', '10.0.0.1:1', '[::1]:1', 'other:1')), [targets[0], targets[3]])
})

test('addresses are sorted by numeric value, IPv4 first, and each appears once', () => {
  const ips = ['fd00::a', '10.0.0.10', '10.0.0.9', 'fd00::2', '9.255.0.1', '10.0.0.10', '::1']
  const sorted = ['9.255.0.1', '10.0.0.9', '10.0.0.10', '::1', 'fd00::2', 'fd00::a']
  assert.deepEqual(sortIps(ips), sorted)
  assert.deepEqual(sortIps([...ips].reverse()), sorted)
})

test('at most the allowed number of addresses is taken, and the number left out is returned', () => {
  const found = standFor({ 'a:1': ['10.0.0.1', '10.0.0.2'], 'b:1': ['10.0.0.3', '10.0.0.4'], 'c:1': ['10.0.0.5'] })
  const bound = (most: number) => {
    const { taken, leftOut } = boundAddresses(found, most)
    return [[...taken.values()].map((ips) => ips.map((ip) => ip.slice(-1)).join('')), leftOut]
  }
  assert.deepEqual(bound(5), [['12', '34', '5'], 0])
  assert.deepEqual(bound(3), [['12', '3', ''], 2])
  assert.deepEqual(bound(1), [['1', '', ''], 4])
  assert.deepEqual(boundAddresses(noAddresses, 3).leftOut, 0)
})
