# Sourced by the scripts that run a server which cuts running answers off when it is asked to stop.

# drained SECONDS PROGRAM ARGUMENT...: runs the program and exits with its code. Asked to stop, it first waits until
# `busy`, which whoever sources this defines, fails: SECONDS at the longest.
drained() {
  local seconds=$1 server code until stopping=''
  shift
  trap 'stopping=yes' TERM INT
  "$@" &
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
}
