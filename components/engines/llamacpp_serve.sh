# Runs llama-server, and lets running answers finish before it is stopped: by itself it cuts them off at once.
# usage: serve.sh PORT SECONDS ARGUMENT...      (SECONDS is the longest it waits for them)
set -u
port=$1 seconds=$2
shift 2
stopping=''
trap 'stopping=yes' TERM INT

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
"$program" "$@" &
server=$!
while :; do
  wait "$server"
  code=$?
  [[ $stopping ]] || exit "$code"
  kill -0 "$server" 2>/dev/null || exit "$code"
  echo "stopping: running answers have $seconds seconds"
  for ((until = SECONDS + seconds; SECONDS < until; )); do
    busy || break
    sleep 0.2
  done
  stopping=''
  kill -TERM "$server" 2>/dev/null
done
