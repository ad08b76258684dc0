# Runs llama-server, and lets running answers finish before it is stopped: by itself it cuts them off at once.
# usage: serve.sh PORT SECONDS ARGUMENT...      (SECONDS is the longest it waits for them)
set -u
. "${0%/*}/drain.sh"
port=$1 seconds=$2
shift 2

# Whether a request runs or waits. A server that computes may answer late: silence counts as busy.
busy() {
  local status line idle=''
  { exec 3<>"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null || return 1
  printf 'GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3
  IFS= read -r -t 5 status <&3 && [[ $status == *" 200 "* ]] || return 0
  while IFS= read -r -t 5 line <&3; do
    line=${line%$'\r'}
    [[ $line == llamacpp:requests_processing\ * || $line == llamacpp:requests_deferred\ * ]] || continue
    [[ ${line##* } == 0 ]] || return 0
    idle=yes
  done
  exec 3>&-
  [[ ! $idle ]]
}

# The upstream image has it beside its libraries, and not on the search path.
program=$(command -v llama-server) || program=/app/llama-server
drained "$seconds" "$program" "$@"
