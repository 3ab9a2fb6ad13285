import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lookUpFamilies } from '../../src/prober/system-lookup.ts'

/** A look-up over given answers: addresses or the code of an error, for both families together and each alone. */
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
  ['addresses are taken as they come', { 0: ['::1', '10.0.0.1'], 4: [], 6: [] }, ['::1', '10.0.0.1'], [0]],
  ['a failure is not asked about again', { 0: 'EAI_AGAIN', 4: [], 6: [] }, 'EAI_AGAIN', [0]],
  ['a name is missing when both families say so', { 0: 'ENOTFOUND', 4: 'ENOTFOUND', 6: 'ENOTFOUND' }, [], [0, 4, 6]],
  ['not when IPv4 fails', { 0: 'ENOTFOUND', 4: 'EAI_AGAIN', 6: 'ENOTFOUND' }, 'EAI_AGAIN', [0, 4, 6]],
  ['not when IPv6 fails', { 0: 'ENOTFOUND', 4: 'ENOTFOUND', 6: 'EAI_FAIL' }, 'EAI_FAIL', [0, 4, 6]],
  [
    'addresses of one family are taken though the other fails',
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
