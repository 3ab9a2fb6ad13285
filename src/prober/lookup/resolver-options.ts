/**
 * Returns the value for the environment variable `RES_OPTIONS` of glibc (resolv.conf(5)), from its present value and the text of resolv.conf;
 * undefined where it may stay unset. Porthole sets five tries of one second each, so that a lost packet is sent again within the two seconds of a
 * check. An answer to any of the tries counts, so each name server has five seconds. (With the defaults of glibc a try takes five
 * seconds, and a name server has ten.) Nothing is changed if the operator sets `timeout` or `attempts` in either place.
 */
export function buildResolverOptions(resolvConf: string, options: string | undefined): string | undefined {
  const inFile = resolvConf.split('\n').filter((line) => /^options\s/.test(line))
  const isSet = [...inFile, options ?? ''].some((text) => /(?:^|\s)(?:timeout|attempts):/.test(text))
  if (isSet) return options
  return [options, 'timeout:1', 'attempts:5'].filter((option) => option).join(' ')
}

/**
 * Returns how many look-ups for checks may run at once. libuv uses half of its threads for look-ups, rounded up
 * (`slow_work_thread_threshold` in threadpool.c of libuv). With four or more of these, one stays free for the name of Redis.
 * `poolSize` is the environment variable `UV_THREADPOOL_SIZE`, which libuv parses with atoi(3).
 */
export function countLookUpThreads(poolSize: string | undefined): number {
  const size = poolSize === undefined ? 4 : Number.parseInt(poolSize, 10)
  const threads = Math.min(1024, Math.max(1, Number.isNaN(size) ? 1 : size))
  const forLookUps = Math.floor((threads + 1) / 2)
  return forLookUps < 4 ? forLookUps : forLookUps - 1
}
