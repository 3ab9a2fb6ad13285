/** The remedy for each error code of Redis, which is the first word of the error (redis.io/docs/latest/develop/reference/protocol-spec). */
const remedies: Readonly<Record<string, string>> = {
  READONLY:
    'it is a replica of another Redis and accepts no changes: name the primary in replicas.redis, or promote this one',
  // Redis sends this to a client that waits in a blocking command while its primary becomes a replica.
  UNBLOCKED: 'it became a replica of another Redis: name the primary in replicas.redis, or promote this one',
  MASTERDOWN: 'it is a replica that has lost its primary: name the primary in replicas.redis, or promote this one',
  NOREPLICAS: 'too few of its replicas are connected: mend those, or lower min-replicas-to-write',
  OOM: 'its memory is full: raise maxmemory, or remove data of other programs',
  MISCONF:
    'it cannot save to its disk and accepts no changes: its log says why, such as a full disk or a read-only directory',
  NOPERM: "Porthole's user lacks a permission: grant it with ACL SETUSER",
  NOAUTH: 'it rejects the login: check replicas.redis and replicas.passwordFile',
  WRONGPASS: 'it rejects the login: check replicas.redis and replicas.passwordFile',
  LOADING: 'it is loading its data from the disk, and answers when that is done',
  CLUSTERDOWN: 'a part of the cluster is missing: see CLUSTER INFO',
  BUSY: 'a script of another client blocks it: SCRIPT KILL ends the script',
}

/** How Redis 7.0 reports a missing permission inside a script. Later versions report `NOPERM`. */
const missingPermission = /^ERR The user executing the script can't /

/** The suffix that Redis appends to an error inside a script: the digest of the script, and the line. */
const inScript = /[,.]? script: [0-9a-f]+, on @user_script:\d+\.?$/

/** Returns why a request to Redis failed, as a sentence for people: the words of Redis, and the remedy if there is one for its error code. */
export function explainFailure(place: string, error: Error): string {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ECONNREFUSED')
    return `nothing listens on ${place.replace('Redis at ', '')}: check that Redis runs there`
  const message = error.message.replace(/\s+/g, ' ').replace(inScript, '')
  const word = missingPermission.test(message) ? 'NOPERM' : (/^[A-Z]+/.exec(message)?.[0] ?? '')
  const remedy = remedies[word]
  return remedy === undefined ? `${place} fails: ${message}` : `${place} says "${message}": ${remedy}`
}

/**
 * Returns whether Redis may have made some changes of a failed script, because an error inside a script does not undo the changes before it. Redis
 * checks memory, disk and role before the first change, and the permissions of the user at each command.
 */
export function mayHaveRun(error: Error): boolean {
  return inScript.test(error.message.trim()) && !/^(READONLY|OOM|MISCONF|NOREPLICAS|MASTERDOWN) /.test(error.message)
}
