import type { Output } from './output.ts'

const usage = `Porthole makes TCP services checkable over HTTP.

  porthole [TARGET ...] [--config FILE]      serve; a TARGET is host:port or name=host:port
  porthole check HOST:PORT [--timeout 2s]    check once; exits with 0 if up, 1 if not
  porthole validate FILE                     look for problems in a configuration
  porthole --help | --version

Without TARGETs it reads ./porthole.yaml, or the file that --config or PORTHOLE_CONFIG names.
TARGETs are served alone, or together with a named file. A file that changes is reloaded, by itself or on SIGHUP.
Environment, over the file: PORTHOLE_CONFIG, PORTHOLE_HOST, PORTHOLE_PORT, PORTHOLE_HOSTS, PORTHOLE_DATA,
PORTHOLE_TOKEN, PORTHOLE_REDIS_URL, PORTHOLE_LOG_LEVEL, PORTHOLE_LOG_FORMAT, PORTHOLE_PROBER.`

/** Writes the usage. Returns the exit status. */
export function printUsage({ out }: Output): 0 {
  for (const line of usage.split('\n')) out(line)
  return 0
}

/** Writes the error in the command line, and the usage. Returns the exit status. */
export function reportMisuse(error: string, { err }: Output): 2 {
  err(`porthole: ${error}`)
  for (const line of ['', ...usage.split('\n')]) err(line)
  return 2
}
