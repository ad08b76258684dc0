# Runs Ollama, and lets running answers finish before it is stopped: by itself it cuts them off at once.
# usage: serve.sh SECONDS      (the longest it waits for them)
set -u
. "${0%/*}/drain.sh"
port=$(printf '%04X' "${OLLAMA_HOST##*:}")

# Whether somebody is connected from outside. It has no count of its requests; the gateway hangs up after each answer,
# and the probe comes by loopback (in /proc, addresses are in hexadecimal and 01 is an open connection).
busy() {
  local _ here state
  while read -r _ here _ state _; do
    [[ $state == 01 && $here == *:"$port" && $here != *0100007F:* ]] && return 0
  done < <(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null)
  return 1
}

program=$(command -v ollama) || program=/usr/bin/ollama
drained "$1" "$program" serve
