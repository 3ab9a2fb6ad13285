import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explainFailure, mayHaveRun } from '../../src/redis/failure.ts'

const place = 'Redis at 192.0.2.1:6379'
const explain = (message: string) => explainFailure(place, new Error(message))

test('an error of Redis is reported in its own words, with a remedy', () => {
  const remedies: [message: string, remedy: RegExp][] = [
    [
      "READONLY You can't write against a read only replica.",
      /name the primary in replicas\.redis, or promote this one$/,
    ],
    [
      'UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)',
      /it became a replica/,
    ],
    ["MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", /has lost its primary/],
    ['NOREPLICAS Not enough good replicas to write.', /min-replicas-to-write$/],
    ["OOM command not allowed when used memory > 'maxmemory'.", /raise maxmemory/],
    [
      "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
      /its log says why/,
    ],
    ["NOPERM this user has no permissions to run the 'evalsha' command", /ACL SETUSER$/],
    ["ERR The user executing the script can't run this command or subcommand", /ACL SETUSER$/],
    ['NOAUTH Authentication required.', /check replicas\.redis and replicas\.passwordFile$/],
    [
      'WRONGPASS invalid username-password pair or user is disabled.',
      /check replicas\.redis and replicas\.passwordFile$/,
    ],
    ['LOADING Redis is loading the dataset in memory', /answers when that is done$/],
    ['CLUSTERDOWN The cluster is down', /CLUSTER INFO/],
    [
      'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
      /SCRIPT KILL ends the script$/,
    ],
  ]
  for (const [message, remedy] of remedies) {
    const sentence = explain(message)
    assert.ok(sentence.startsWith(`${place} says "${message}": `), sentence)
    assert.match(sentence, remedy)
  }
})

test('the suffix that Redis appends to an error inside a script is left out', () => {
  const suffix = ' script: 84c1f1b9e3e6a5f1d4a0f6a8a4e7b9a5c3d2e1f0, on @user_script:27.'
  assert.equal(explain(`OOM no.${suffix}`), explain('OOM no.').replace('no.', 'no'))
})

test('any other error is reported unchanged', () => {
  assert.equal(explain('ERR unknown\ncommand'), `${place} fails: ERR unknown command`)
  assert.equal(explain('it has not answered for 1 s'), `${place} fails: it has not answered for 1 s`)
})

test('an error inside a script may leave changes behind, unless Redis checks its cause before the first change', () => {
  const within = (message: string) => mayHaveRun(new Error(`${message} script: 84c1f1b9e3, on @user_script:27.`))
  assert.equal(within("ERR The user executing the script can't run this command or subcommand"), true)
  assert.equal(within('NOPERM ACL failure in script'), true)
  assert.equal(within("READONLY You can't write against a read only replica"), false)
  assert.equal(within('OOM command not allowed'), false)
  assert.equal(within('MISCONF Redis is configured to save'), false)
  assert.equal(mayHaveRun(new Error("NOPERM this user has no permissions to run the 'evalsha' command")), false)
})
