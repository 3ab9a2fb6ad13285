import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeLoss } from '../../../src/config/file/loss.ts'
import { registeredService, sampleService } from '../../support/samples.ts'

const some = (count: number) => Array.from({ length: count }, (_, i) => sampleService(`s${i}`, ['a:1']))
const servicesInForce = (count: number) => new Map(some(count).map((service) => [service.name, service]))

test('a file that lacks a tenth of the services may be half written', async () => {
  assert.equal(await describeLoss('porthole.yaml', servicesInForce(200), some(181)), null)
  assert.equal(
    await describeLoss('porthole.yaml', servicesInForce(200), some(180)),
    'porthole.yaml was written in place and 20 of 200 services are not in it: it is used once it stays the same for 5s, or on SIGHUP',
  )
})

test('services that are new or registered over HTTP do not count', async () => {
  const registered = registeredService('http', ['a:1'])
  assert.equal(await describeLoss('f', new Map([['http', registered]]), []), null)
  assert.equal(await describeLoss('f', servicesInForce(2), some(9)), null)
  assert.equal(await describeLoss('f', new Map(), some(1)), null)
})
