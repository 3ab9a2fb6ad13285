import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import type { ZodType } from 'zod'
import { Details, flawOfSecret, TokenHash, TokenName } from '../../../src/domain/values/token.ts'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

function refusal(schema: ZodType, input: unknown): string {
  const read = schema.safeParse(input)
  assert.ok(!read.success, `${JSON.stringify(input)} is refused`)
  assert.equal(read.error.issues.length, 1)
  return read.error.issues[0]?.message ?? ''
}

test('the hash of a token may have upper-case and lower-case digits', () => {
  const hash = sha256('correct-horse-battery-staple')
  assert.equal(TokenHash.parse(`sha256:${hash}`), hash)
  assert.equal(TokenHash.parse(`sha256:${hash.toUpperCase()}`), hash)
})

const secret = 'hunter2-hunter2-hunter2'
const notHashes = [
  secret,
  `sha256:${secret}`,
  sha256(secret),
  `sha256:${sha256(secret).slice(1)}`,
  `sha256:${sha256(secret)}0`,
  `sha256:${sha256(secret)}  -`,
  `sha256:${sha256(secret)}\n`,
  `sha256: ${sha256(secret)}`,
  `sha512:${sha256(secret)}`,
  `sha256:${'g'.repeat(64)}`,
  '',
  12345,
  null,
  undefined,
  { [secret]: secret },
]

test('text that is not a hash is rejected with the remedy, and the message does not repeat it', () => {
  for (const input of notHashes) {
    const message = refusal(TokenHash, input)
    assert.equal(
      message,
      'this is not the hash of a token: write sha256: and the 64 digits that printf %s TOKEN | sha256sum prints',
    )
  }
})

test('the hash of an empty text is rejected', () => {
  assert.match(refusal(TokenHash, `sha256:${sha256('')}`), /^this is the hash of an empty text: write sha256: and /)
})

test('the name of a token has letters, digits, dots, hyphens and underscores', () => {
  for (const name of ['deploy', 'CI', 'ops.eu-west_1', '0', '-', 'x'.repeat(100)])
    assert.equal(TokenName.parse(name), name)
  for (const name of ['', 'x'.repeat(101), 'two words', 'ä', 'a\n', 'a/b', 'a:b', '٣']) {
    assert.match(
      refusal(TokenName, name),
      /is not the name of a token: write 1 to 100 letters, digits, dots, hyphens and underscores$/,
    )
  }
  assert.equal(refusal(TokenName, 7), '7 is not the name of a token: write text such as deploy')
})

test('a secret that can be sent as a bearer token and is long enough has no flaw', () => {
  for (const text of ['0123456789abcdef', 'a'.repeat(4000), 'AZaz09-._~+/AZaz09==', sha256('x')])
    assert.equal(flawOfSecret(text), null, text)
})

const flaws: [text: string, flaw: RegExp][] = [
  [`${secret}\n`, /^the token begins or ends with a space or a line break, as .* a file often does: write it without$/],
  [`${secret}\r\n`, /a line break/],
  [`${secret} `, /a space/],
  [` ${secret}`, /a space/],
  [`\uFEFF${secret}`, /a space or a line break/],
  [
    'hunter2 hunter2 hunter2',
    /^the token has characters that cannot be sent as a bearer token: write the output of openssl /,
  ],
  ['hünter2-hünter2-hünter2', /characters/],
  ['hunter2-hunter2\0hunter2', /characters/],
  ['hunter2=hunter2=hunter2', /characters/],
  ['hunter2,hunter2,hunter2', /characters/],
  ['"hunter2-hunter2-hunter2"', /characters/],
  ['=================', /characters/],
  ['', /characters/],
  ['hunter2hunter2x', /^the token has fewer than 16 characters: write the output of openssl rand -hex 32$/],
]

test('a secret that cannot be sent or is too short is rejected with the remedy, and the message does not repeat it', () => {
  for (const [text, flaw] of flaws) {
    const told = flawOfSecret(text)
    assert.match(told ?? 'null', flaw, JSON.stringify(text))
    assert.doesNotMatch(told ?? '', /h[uü]nter/)
  }
})

test('details are shown to all readers, or to those with a token', () => {
  assert.deepEqual([Details.parse('all'), Details.parse('token')], ['all', 'token'])
  assert.equal(refusal(Details, 'none'), '"none" is not a setting for details: write all or token')
})
