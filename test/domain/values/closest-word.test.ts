import assert from 'node:assert/strict'
import { test } from 'node:test'
import { closestWord } from '../../../src/domain/values/closest-word.ts'

test('a misspelt word means the known word with the fewest differences, up to a third of its letters', () => {
  const commands = ['check', 'wait', 'status', 'validate']
  for (const [word, meant] of [
    ['chekc', 'check'],
    ['chek', 'check'],
    ['CHECK', 'check'],
    ['wiat', 'wait'],
    ['state', null],
    ['statuss', 'status'],
    ['vaildtae', 'validate'],
    ['serve', null],
    ['', null],
    ['db', null],
  ] as const)
    assert.equal(closestWord(word, commands), meant, word)
})
