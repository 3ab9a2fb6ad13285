import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildPolicy, settingsOf } from '../../../src/domain/service/policy.ts'
import {
  describePolicy,
  type PolicyFieldName,
  PolicySettings,
  policyFields,
} from '../../../src/domain/service/policy-settings.ts'
import { readRegistration, writeRegistration } from '../../../src/domain/service/registration.ts'
import { buildService, ServiceSettings } from '../../../src/domain/service/service.ts'
import { defineService, ServiceDefinition } from '../../../src/domain/service/service-definition.ts'
import { offerConfiguration, readOfferedConfiguration } from '../../../src/replicas/config/shared-configuration.ts'

/** For every field, a value that is not its default. */
const others: Record<PolicyFieldName, string | number> = {
  interval: '7s',
  timeout: '3s',
  rise: 4,
  fall: 5,
  fastInterval: '600ms',
  downInterval: '70s',
  maxAge: '8s',
  minAge: '90ms',
  close: 'fin',
  lookupHold: '10m',
  hold: '11s',
}
const names = Object.keys(policyFields) as PolicyFieldName[]
const serviceWith = (name: PolicyFieldName) =>
  buildService('db', ServiceSettings.parse({ targets: ['db:5432'], [name]: others[name] }))

test('every field changes the policy, and settings made from the policy give the same policy', () => {
  for (const name of names) {
    const { policy } = serviceWith(name)
    assert.notDeepEqual(policy, buildPolicy({}, {}), name)
    assert.deepEqual(buildPolicy(settingsOf(policy), {}), policy, name)
    assert.deepEqual(buildPolicy({}, PolicySettings.parse({ [name]: others[name] })), policy, name)
  }
})

test('every field can be written to the text of a registration and read again', () => {
  for (const name of names) {
    const settings = ServiceSettings.parse({ targets: ['db:5432'], [name]: others[name] })
    assert.deepEqual(readRegistration(writeRegistration(settings)), { settings, unread: [], ignored: [] }, name)
  }
})

test('every field of a service and of the defaults reaches other replicas', async () => {
  for (const name of names) {
    const defaults = PolicySettings.parse({ [name]: others[name] })
    const file = { services: [serviceWith(name)], groups: [], defaults: { ...defaults, handoverMs: 0 } }
    assert.deepEqual(await readOfferedConfiguration((await offerConfiguration(file)).text, 0), file, name)
  }
})

test('every field is in the definition that the API shows, as written', () => {
  for (const name of names) {
    const definition = defineService(serviceWith(name))
    assert.equal(definition[name], others[name])
    ServiceDefinition.strict().parse(definition)
  }
})

test('the text of a registration keeps the order of its keys', () => {
  const settings = ServiceSettings.parse({ targets: ['db:5432'], ...others })
  assert.equal(
    writeRegistration({ ...settings, ttl: 60_000 }),
    '{"targets":["db:5432"],"rise":4,"fall":5,"close":"fin","interval":"7s","timeout":"3s","fastInterval":"600ms","downInterval":"70s","maxAge":"8s","minAge":"90ms","lookupHold":"10m","hold":"11s","ttl":"1m"}',
  )
})

test('an empty policy has an empty description', () => {
  assert.deepEqual(describePolicy({}), {})
})
