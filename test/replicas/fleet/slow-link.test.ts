/** Replicas reach Redis over a link of 20 Mbit/s, with a configuration whose transfer takes seconds. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createHost, enterNamespace, sh } from '../../support/namespace.ts'
import { until } from '../../support/process.ts'
import { noRedis, startRedis } from '../../support/redis-server.ts'
import { type Member, startMember } from './fleet.ts'

const noNamespace = await enterNamespace(import.meta.filename)

const services = 20_000
const port = 7001

const hex = (i: number) => ((i * 2_654_435_761) % 2 ** 32).toString(16).padStart(8, '0')
const nameOf = (i: number) => `service-${hex(i)}-${i}`

/** Returns a file of this many services whose text barely repeats, as if each has a host of its own. */
function config(redis: string) {
  return {
    dial: { loopback: true },
    replicas: { redis },
    // The cost of checks on a busy machine is not the subject of this test.
    defaults: { interval: 'off', close: 'rst' },
    services: Object.fromEntries(
      Array.from({ length: services }, (_, i) => [
        nameOf(i),
        {
          targets: [`127.${1 + (i % 200)}.${(i >> 8) % 256}.${1 + (i % 250)}:${port}`],
          groups: [`team-${hex(i % 400)}`, `region-${i % 20}`],
          timeout: `${1001 + (i % 900)}ms`,
        },
      ]),
    ),
  }
}

/** Returns whether the whole file is in force at a replica. */
async function knowsAll({ health }: Member): Promise<boolean> {
  return (await health(nameOf(services - 1))).code !== 404
}

test('replicas stay linked while a large file passes a link of 20 Mbit/s, and all of them apply it', {
  skip: noNamespace || noRedis,
}, async (t) => {
  const host = await createHost(port)
  t.after(host.close)
  sh(`ip link add near type veth peer name far; ip link add asker type veth peer name asked
      ip link set far netns ${host.pid}; ip link set asked netns ${host.pid}
      ip addr add 10.77.2.1/24 dev asker; ip link set asker up
      ip addr add 10.77.1.1/24 dev near; ip link set near up
      tc qdisc add dev near root tbf rate 20mbit burst 64kb latency 400ms`)
  host.sh(`ip link set lo up; ip addr add 10.77.1.2/24 dev far; ip link set far up
      ip addr add 10.77.2.2/24 dev asked; ip link set asked up
      tc qdisc add dev far root tbf rate 20mbit burst 64kb latency 400ms`)
  const redis = await startRedis(t, [], '10.77.1.1')
  // The requests of the test do not use that link.
  const at = { PORTHOLE_HOST: '10.77.2.2' }
  const inside = ['nsenter', '-t', String(host.pid), '-n']
  const first = await startMember(t, { ...config(redis.url), services: {} }, at, inside)
  const second = await startMember(t, config(redis.url), at, inside)
  const members = [first, second]
  await until('both have the file', async () => (await Promise.all(members.map(knowsAll))).every((knows) => knows))
  const third = await startMember(t, config(redis.url), at, inside)
  members.push(third)
  await until('the third replica has the file as well', () => knowsAll(third))
  for (const { lines } of members) {
    const said = lines.map(({ msg }) => msg).filter((msg) => /^(linked|lost|solo)/.test(msg))
    assert.equal(said.length, 1, said.join('\n'))
  }
})
