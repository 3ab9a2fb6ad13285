/**
 * Returns what the environment variable `RES_OPTIONS` of glibc must be (resolv.conf(5)), from its value and the text of resolv.conf; undefined
 * where it may stay unset. By default a try takes one second, so that a packet that is lost is sent again within the two seconds that a check
 * has, and there are five of them. glibc takes an answer to any of its tries, so each name server has five seconds (glibc alone: five and
 * ten). Where the operator sets `timeout` or `attempts`, in either place, nothing is changed.
 */
export function buildResolverOptions(resolvConf: string, options: string | undefined): string | undefined {
  const inFile = resolvConf.split('\n').filter((line) => /^options\s/.test(line))
  const isSet = [...inFile, options ?? ''].some((text) => /(?:^|\s)(?:timeout|attempts):/.test(text))
  if (isSet) return options
  return [options, 'timeout:1', 'attempts:5'].filter((option) => option).join(' ')
}

/**
 * Returns how many look-ups of names that are checked may run at once. libuv looks names up on half of its threads, rounded up
 * (`slow_work_thread_threshold` in uv's threadpool.c). One of these stays free where there are four or more, because the name of Redis is
 * looked up there too. `poolSize` is the environment variable `UV_THREADPOOL_SIZE`, which libuv reads with atoi(3).
 */
export function countLookUpThreads(poolSize: string | undefined): number {
  const size = poolSize === undefined ? 4 : Number.parseInt(poolSize, 10)
  const threads = Math.min(1024, Math.max(1, Number.isNaN(size) ? 1 : size))
  const forLookUps = Math.floor((threads + 1) / 2)
  return forLookUps < 4 ? forLookUps : forLookUps - 1
}
