import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lookUpFamilies } from '../../../src/prober/lookup/system-lookup.ts'

/** Builds a look-up with fixed answers for both families together and each alone: addresses, or the code of an error. */
function lookUpOver(answers: Record<0 | 4 | 6, readonly string[] | string>) {
  const asked: number[] = []
  const lookUp = lookUpFamilies(async (_, family) => {
    asked.push(family)
    const answer = answers[family]
    if (typeof answer === 'string') throw Object.assign(new Error(answer), { code: answer })
    return answer
  })
  const found = lookUp('db').catch(({ code }) => code)
  return { found, asked }
}

for (const [what, answers, expected, families] of [
  ['addresses keep their order', { 0: ['::1', '10.0.0.1'], 4: [], 6: [] }, ['::1', '10.0.0.1'], [0]],
  ['a failure is not queried again', { 0: 'EAI_AGAIN', 4: [], 6: [] }, 'EAI_AGAIN', [0]],
  ['a name is missing if both families say so', { 0: 'ENOTFOUND', 4: 'ENOTFOUND', 6: 'ENOTFOUND' }, [], [0, 4, 6]],
  ['a name is not missing if IPv4 fails', { 0: 'ENOTFOUND', 4: 'EAI_AGAIN', 6: 'ENOTFOUND' }, 'EAI_AGAIN', [0, 4, 6]],
  ['a name is not missing if IPv6 fails', { 0: 'ENOTFOUND', 4: 'ENOTFOUND', 6: 'EAI_FAIL' }, 'EAI_FAIL', [0, 4, 6]],
  [
    'addresses of one family count even if the other family fails',
    { 0: 'ENOTFOUND', 4: 'EAI_AGAIN', 6: ['::1'] },
    ['::1'],
    [0, 4, 6],
  ],
] as const) {
  test(`families: ${what}`, async () => {
    const { found, asked } = lookUpOver(answers)
    assert.deepEqual(await found, expected)
    assert.deepEqual(asked, families)
  })
}
