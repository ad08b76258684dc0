# Health of a vLLM server. usage: probe.sh PORT MODEL
# The first success needs a real token: an engine can start, be healthy, and die on its first request. Afterwards
# /health answers for the processes, and a token every half minute shows that the engine still computes.
set -u
export LC_ALL=C # ${#body} then counts bytes, as Content-Length does.
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

token() { ask POST /v1/completions "{\"model\":\"$model\",\"prompt\":\"1\",\"max_tokens\":1}" "$1"; }

port=$1 model=$2
if [[ ! -e $answered ]]; then
  token 120 && : >"$answered"
elif ((EPOCHSECONDS - $(stat -c %Y "$answered") < 30)); then
  ask GET /health '' 4
elif token 10; then
  touch "$answered"
else
  # A full queue refuses the probe, or lets it wait behind long answers. An engine that computes is busy, not hung; one
  # whose worker hangs takes a tick or two (measured: 4 in 8 s), a starved one still gets a twentieth of a core.
  ask GET /health '' 4 || exit 1
  before=$(ticks)
  sleep 3
  (($(ticks) - before > 15))
fi
