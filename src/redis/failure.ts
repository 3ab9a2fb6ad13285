/** What helps where Redis refuses a command, by the code that its error begins with (redis.io/docs/latest/develop/reference/protocol-spec). */
const remedies: Readonly<Record<string, string>> = {
  READONLY:
    'it is a replica of another Redis and takes no changes: name the primary in replicas.redis, or promote this one',
  // What a client hears that waits while its primary becomes a replica.
  UNBLOCKED: 'it became a replica of another Redis: name the primary in replicas.redis, or promote this one',
  MASTERDOWN: 'it is a replica that has lost its primary: name the primary in replicas.redis, or promote this one',
  NOREPLICAS: 'too few of its replicas are connected: mend those, or lower min-replicas-to-write',
  OOM: 'its memory is full: raise maxmemory, or remove what others keep in it',
  MISCONF:
    'it cannot save to its disk and takes no changes: its log tells why, such as a full disk or a dir that it may not write',
  NOPERM: 'the user that Porthole logs in as lacks a right: give it that with ACL SETUSER',
  NOAUTH: 'it does not let Porthole in: see replicas.redis and replicas.passwordFile',
  WRONGPASS: 'it does not let Porthole in: see replicas.redis and replicas.passwordFile',
  LOADING: 'it reads its data from the disk, and answers once that is done',
  CLUSTERDOWN: 'a part of the cluster is missing: CLUSTER INFO tells which',
  BUSY: 'a script of another client holds it up: SCRIPT KILL ends that',
}

/** How Redis 7.0 says inside a script that the user lacks a right; later versions say `NOPERM`. */
const ofRights = /^ERR The user executing the script can't /

/** What Redis appends to an error inside a script: the digest of the script, and the line. */
const inScript = /[,.]? script: [0-9a-f]+, on @user_script:\d+\.?$/

/** Returns why a request to Redis failed, as a sentence for people: in Redis's own words, with a remedy where its error has one. */
export function explainFailure(place: string, error: Error): string {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ECONNREFUSED')
    return `nothing listens where ${place.replace('Redis at', 'Redis should be,')}: see whether it runs`
  const message = error.message.replace(/\s+/g, ' ').replace(inScript, '')
  const word = ofRights.test(message) ? 'NOPERM' : (/^[A-Z]+/.exec(message)?.[0] ?? '')
  const remedy = remedies[word]
  return remedy === undefined ? `${place} fails: ${message}` : `${place} says "${message}": ${remedy}`
}

/**
 * Whether Redis may have done a part of what it refused: an error inside a script leaves the changes before it. Redis looks for memory,
 * disk and role before the first change, for the rights of the user at each command.
 */
export function mayBeDone(error: Error): boolean {
  return inScript.test(error.message.trim()) && !/^(READONLY|OOM|MISCONF|NOREPLICAS|MASTERDOWN) /.test(error.message)
}
