# Health of a llama.cpp server. usage: probe.sh PORT SECONDS
# The first success needs a real token, within SECONDS; afterwards the server is asked whether it lives, and every half
# minute for another token, so that an engine that hangs is noticed too.
set -u
export LC_ALL=C # ${#3} then counts bytes, as Content-Length does.
port=$1
answered=/tmp/answered

# ask METHOD PATH BODY SECONDS: fails unless the answer's status is 200 and arrives within SECONDS.
ask() {
  local status
  { exec 3<>"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null || return 1
  printf '%s %s HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
    "$1" "$2" "${#3}" "$3" >&3
  IFS= read -r -t "$4" status <&3 || return 1
  exec 3>&-
  [[ $status == *" 200 "* ]]
}

# CPU time, in clock ticks, of all processes in this container.
ticks() {
  local stat sum=0 fields
  for stat in /proc/[0-9]*/stat; do
    { read -r -d '' stat <"$stat"; } 2>/dev/null
    read -ra fields <<<"${stat##*) }"
    sum=$((sum + ${fields[11]:-0} + ${fields[12]:-0}))
  done
  echo "$sum"
}

token() { ask POST /v1/completions '{"prompt":"1","max_tokens":1}' "$1"; }

if [[ ! -e $answered ]]; then
  token "$2" && : >"$answered"
elif ((EPOCHSECONDS - $(stat -c %Y "$answered") >= 30)); then
  before=$(ticks)
  # With every slot taken the probe waits behind long answers. A server that computes is busy, one that does not is hung.
  if token 10; then touch "$answered"; else (($(ticks) - before > 20)); fi
else
  ask GET /health '' 4
fi
