/** The text of `porthole --help`. */
export const usage = `Porthole makes TCP services checkable over HTTP.

  porthole [TARGET ...] [--config FILE]              serve; a TARGET is host:port or name=host:port
  porthole check HOST:PORT ...                       check once; exits with 0 if all are up, 1 if not
  porthole wait HOST:PORT ... [--for 60s] [-- CMD]   wait until all are up, then run a command
  porthole status [URL] [--watch]                    show the services of a running Porthole
  porthole validate FILE                             look for problems in a configuration
  porthole COMMAND --help                            the options of a command, with examples
  porthole --help | --version

Without TARGETs it reads ./porthole.yaml, or the file that --config or PORTHOLE_CONFIG names.
TARGETs are served alone, or together with a named file. A file that changes is reloaded, by itself or on SIGHUP.
Environment, over the file: PORTHOLE_CONFIG, PORTHOLE_HOST, PORTHOLE_PORT, PORTHOLE_HOSTS, PORTHOLE_DATA,
PORTHOLE_TOKEN, PORTHOLE_REDIS_URL, PORTHOLE_LOG_LEVEL, PORTHOLE_LOG_FORMAT, PORTHOLE_PROBER.`
