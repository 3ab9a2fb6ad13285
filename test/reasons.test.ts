/** Proves that a reason is one row of a table: every part has an answer for each reason, and no code compares with a single one. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { describeAttempt, outcomeOfAttempts } from '../src/domain/check/attempts.ts'
import { diagnose } from '../src/domain/check/diagnosis.ts'
import {
  completedHandshake,
  countsAsSlow,
  downReasonMatcher,
  isForeign,
  isOwnFault,
  type Reason,
  ranOutOfTime,
  reasons,
  verdictOf,
  wasAnswered,
} from '../src/domain/check/outcome.ts'
import { applyOutcome } from '../src/monitor/state/apply-outcome.ts'
import { createCheckRing } from '../src/monitor/state/check-ring.ts'
import { checksPerRing } from '../src/monitor/state/history.ts'
import { roundsOf } from '../src/page/parts/charts.ts'
import { snippets } from '../src/page/service/snippets.ts'
import { reasonOfDial } from '../src/prober/errno.ts'
import { watch } from './monitor/fakes.ts'
import { root } from './support/readme.ts'
import { sampleOutcome, sampleService, sampleTarget } from './support/samples.ts'

const read = (name: string) => readFileSync(join(root, name), 'utf8')
const reasonsWith = (holds: (reason: Reason) => boolean) => reasons.filter(holds)

test('what follows from each reason', () => {
  assert.deepEqual(
    reasonsWith((reason) => verdictOf(reason) === 'up'),
    ['connected'],
  )
  assert.deepEqual(reasonsWith(completedHandshake), ['connected', 'reset', 'mismatch', 'tls'])
  assert.deepEqual(reasonsWith(wasAnswered), ['connected', 'refused', 'reset', 'mismatch', 'tls'])
  assert.deepEqual(
    reasonsWith((reason) => !countsAsSlow(reason)),
    ['connected'],
  )
  assert.deepEqual(reasonsWith(isOwnFault), ['local'])
  assert.deepEqual(reasonsWith(isForeign), ['other'])
  const codes = [null, 'ETIME', 'EMFILE', 'ETIMEDOUT']
  assert.deepEqual(
    reasons.flatMap((reason) => codes.filter((code) => ranOutOfTime({ reason, code })).map((code) => [reason, code])),
    [...codes.map((code) => ['timeout', code]), ['local', null], ['local', 'ETIME']],
  )
})

test('every part has an answer for each reason', () => {
  const sentences = new Set<string>()
  for (const [index, reason] of reasons.entries()) {
    const verdict = verdictOf(reason)
    assert.ok(verdict !== 'up' || completedHandshake(reason), `${reason} is up without a handshake`)

    // The sentence, and the phrase for one of several addresses.
    const outcome = sampleOutcome(reason, 2000, { latencyMs: 0.5, synRetransmits: 1 })
    const sentence = diagnose(outcome, sampleTarget())
    assert.ok(sentence.length > 10 && !sentence.includes('undefined'), `${reason}: ${sentence}`)
    sentences.add(sentence)
    const attempt = { ...outcome, address: '10.0.0.5:5432' }
    assert.match(describeAttempt(attempt), /^10\.0\.0\.5:5432: .{3,}$/, reason)
    assert.equal(verdictOf(outcomeOfAttempts([attempt], 1000).reason), verdict)

    // The columns, the counters and the advice of a target.
    const { service } = watch([sampleService('pg', ['pg:5432'])])
    const [target = assert.fail()] = service('pg').targets
    applyOutcome(target, outcome)
    assert.equal(target.health.lastOutcome?.reason, reason)
    assert.deepEqual(
      [target.health.status, target.failures, target.connectMs, target.lossAt],
      [verdict, verdict === 'down' ? 1 : 0, verdict === 'up' ? 0.5 : 0, completedHandshake(reason) ? 2000 : null],
      reason,
    )

    // The packed checks, and the charts that show them.
    const ring = createCheckRing(checksPerRing)
    ring.write(index, outcome)
    assert.deepEqual(
      ring.read(index).map((check) => check.reason),
      [reason],
      `a packed check has no room for ${reason}`,
    )
    const [round] = roundsOf({ of: () => ring.read(index), close: () => undefined }, [target])
    assert.equal(round?.verdict, verdict)
    assert.deepEqual(
      [round.latencyMs !== null, round.synRetransmits],
      verdict === 'up' ? [true, 1] : [false, 0],
      reason,
    )
  }
  assert.equal(sentences.size, reasons.length, 'two reasons have the same sentence')
})

test('an error of connect(2) itself is our own fault, unless the handshake completed', () => {
  for (const code of ['ECONNREFUSED', 'EHOSTUNREACH', 'ECONNRESET', 'EPIPE', 'EMFILE']) {
    const reason = reasonOfDial(code, false)
    assert.equal(reasonOfDial(code, true), completedHandshake(reason) ? reason : 'local', code)
  }
})

test('the alerts leave out the reasons that are unknown, and name none that is up', () => {
  const rules: { alert: string; expr: string }[] = parse(read('deploy/prometheus-rules.yaml')).groups.flatMap(
    (group: { rules: object[] }) => group.rules,
  )
  const [, , , { text: copied = '' } = {}] = snippets('pg', { origin: 'http://porthole.example/', port: 8080 })
  const expressions = [...rules, { alert: 'the alert to copy', expr: copied }]
  const matchers = expressions.flatMap(({ alert, expr }) =>
    [...expr.matchAll(/\breason\s*(?:=|!=|=~|!~)\s*"([^"]*)"/g)].map(([matcher, words = '']) => ({
      alert,
      matcher,
      words: words.split('|'),
    })),
  )
  for (const { alert, matcher, words } of matchers) {
    for (const word of words) {
      const reason = reasons.find((one) => one === word) ?? assert.fail(`${alert} names "${word}", which is no reason`)
      assert.notEqual(verdictOf(reason), 'up', `${alert} names a reason that is up: ${matcher}`)
    }
  }
  const down = expressions.filter(({ expr }) => expr.includes('porthole_target_down_reason'))
  assert.equal(down.length, 4)
  for (const { alert, expr } of down) {
    assert.ok(expr.includes(downReasonMatcher()), `${alert}: the matcher is ${downReasonMatcher()}`)
  }
  const namedBy = (name: string) => matchers.filter(({ alert }) => alert === name).flatMap(({ words }) => words)
  assert.deepEqual(namedBy('PortholeOwnFault'), reasonsWith(isOwnFault))
})

/** A file of src/ that names reasons, and the reasons that it may name. All others ask the table in `src/domain/check/outcome.ts`. */
const producers: Readonly<Record<string, readonly string[]>> = {
  'src/domain/check/down-reason.ts': ['local'],
  'src/domain/check/outcome.ts': ['other'],
  'src/http/health/reports.ts': ['expired'],
  'src/monitor/state/apply-outcome.ts': ['expired'],
  'src/prober/dialler.ts': ['denied'],
  'src/prober/errno.ts': ['connected', 'refused', 'timeout', 'unreachable', 'dns', 'local'],
  'src/prober/kernel/evidence.ts': ['connected', 'refused', 'rejected', 'timeout', 'unreachable', 'local'],
  'src/prober/kernel/kernel.ts': ['local'],
  'src/prober/kernel/records.ts': ['local'],
  'src/prober/lookup/held-names.ts': ['local'],
  'src/prober/portable.ts': ['connected', 'refused', 'timeout', 'local'],
}

/** The files that write a sentence for each reason. Only these have a `case` of a reason. */
const sentences = ['src/domain/check/diagnosis.ts', 'src/domain/check/attempts.ts']

/** Words of other lists that are equal to the word of a reason. */
const otherWords: Readonly<Record<string, readonly string[]>> = {
  'src/cli/commands/status.ts': ['other'], // what a path leads to
  'src/config/file/read-file.ts': ['other'], // what a path leads to
  'src/domain/service/policy-advice.ts': ['timeout'], // a setting
  'src/domain/service/policy.ts': ['timeout'], // a setting
  'src/http/connections/stalled.ts': ['timeout'], // an event of Node.js
  'src/http/events/events.ts': ['refused'], // an example of an event
  'src/http/events/reader.ts': ['reset'], // a type of event
  'src/metrics/replicas.ts': ['refused'], // a name of an emitter
  'src/monitor/discovery/failing-names.ts': ['timeout'], // an error of a look-up
  'src/monitor/discovery/resolved-name.ts': ['timeout'], // an error of a look-up
  'src/page/browser/stream.js': ['reset'], // a type of event
  'src/redis/connection.ts': ['other'], // what a path leads to
  'src/redis/keys.ts': ['expired'], // a part of a key
  'src/replicas/replica.ts': ['refused'], // a name of an emitter
  'src/replicas/replication/health-replication.ts': ['refused'], // a name of an emitter
  'src/replicas/shared-registry.ts': ['expired'], // a kind of change
  'src/runtime/read-file.ts': ['other'], // what a path leads to
  'src/store/redis/scripts.ts': ['expired'], // a kind of change
}

const withoutComments = (source: string) => source.replace(/\/\*.*?\*\//gs, '').replace(/(?<!:)\/\/.*$/gm, '')
const word = `(?:${reasons.join('|')})`
const literal = `(['"\`])(${word})\\1`
const comparisons = [
  new RegExp(`[!=]==?\\s*(['"\`])${word}\\1`, 'g'),
  new RegExp(`(['"\`])${word}\\1\\s*[!=]==?`, 'g'),
  new RegExp(`\\bcase\\s*(['"\`])${word}\\1`, 'g'),
  new RegExp(`\\.(?:includes|has|indexOf|startsWith|endsWith)\\(\\s*(['"\`])${word}\\1`, 'g'),
  new RegExp(
    `\\[[^\\]]*(['"\`])${word}\\1[^\\]]*\\]\\s*(?:as const\\s*)?\\)?\\s*\\.(?:includes|indexOf|some|find)\\(`,
    'g',
  ),
  new RegExp(`\\bnew Set(?:<[^>]*>)?\\(\\[[^\\]]*(['"\`])${word}\\1`, 'g'),
  new RegExp(`\\bindexOf\\([^)]*(['"\`])${word}\\1|\\bplaceOf\\([^)]*(['"\`])${word}\\2`, 'g'),
  // A list of reasons in one text, such as a matcher of PromQL.
  new RegExp(`\\b${word}[|,]${word}\\b`, 'g'),
  // A table of its own.
  /\bRecord<Reason\b|\bin Reason\]|\bReason\.enum\b/g,
]

/** Returns the places in a source that compare with a single reason, or list some. */
function comparisonsIn(source: string): string[] {
  return comparisons.flatMap((pattern) => source.match(pattern) ?? [])
}

test('comparisons with a reason are found in every form', () => {
  const source = `
    if (outcome.reason === 'connected') a()
    const b = 'refused' !== reason
    switch (reason) { case "timeout": }
    list.has('local')
    const c = ['connected', 'reset'].includes(reason)
    const d = new Set(['dns'])
    const e = placeOf(reasons, 'tls')
    const f = \`reason!~"connected|local"\`
    const g: Record<Reason, string> = {}
  `
  assert.equal(comparisonsIn(source).length, 9, comparisonsIn(source).join('\n'))
  assert.deepEqual(comparisonsIn(`return { reason: 'local', answer: null }; const reason = found ?? 'local'`), [])
})

test('no code outside of the table compares with a single reason', () => {
  const files = globSync('src/**/*.{ts,js}', { cwd: root })
  assert.ok(files.length > 200, 'src/ was not found')
  for (const file of files) {
    const source = withoutComments(read(file))
    const named = new Set([...source.matchAll(new RegExp(literal, 'g'))].map(([, , found = '']) => found))
    const allowed = [...(producers[file] ?? []), ...(otherWords[file] ?? [])]
    if (sentences.includes(file)) continue
    for (const found of named) {
      assert.ok(
        allowed.includes(found),
        `${file} names the reason "${found}": ask a function of src/domain/check/outcome.ts. If the file produces the reason, add it to the list in test/reasons.test.ts`,
      )
    }
    assert.deepEqual(
      allowed.filter((one) => !named.has(one)),
      [],
      `${file} does not name these any more: take them off the lists in test/reasons.test.ts`,
    )
    const isOther = (place: string) => (otherWords[file] ?? []).some((one) => place.includes(one))
    assert.deepEqual(
      comparisonsIn(source).filter((place) => !isOther(place) && file !== 'src/domain/check/outcome.ts'),
      [],
      `${file} compares with a single reason: ask a function of src/domain/check/outcome.ts, and add a column to its table if none answers`,
    )
  }
  for (const file of [...Object.keys(producers), ...Object.keys(otherWords), ...sentences]) {
    assert.ok(files.includes(file), `${file} is on a list of test/reasons.test.ts, and not in src/`)
  }
})
