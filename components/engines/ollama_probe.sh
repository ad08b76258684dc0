# Health of an Ollama server. usage: probe.sh MODEL first|always SECONDS
# The first success needs a real token, because a server that lists a model may still be unable to load it. After that
# "first" asks for the version only: a token would keep the model in memory for ever and make `keep_alive` meaningless.
# "always" (keep_alive: -1, the model stays loaded anyway) asks for one every half minute, so a hung runner is noticed too.
set -u
. /etc/slm/http.sh
answered=/tmp/answered

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

token() { ask POST /v1/completions "{\"model\":\"$1\",\"prompt\":\"1\",\"max_tokens\":1}" "$2" >/dev/null; }

if [[ ! -e $answered ]]; then
  # Ollama stops loading a model when the client that asked for it goes away: the first token gets all the time there is.
  token "$1" "$3" && : >"$answered"
elif [[ $2 == always ]] && ((EPOCHSECONDS - $(stat -c %Y "$answered") >= 30)); then
  before=$(ticks)
  # A full queue keeps the probe waiting behind long answers. A server that computes is busy, one that does not is hung.
  if token "$1" 10; then touch "$answered"; else (($(ticks) - before > 100)); fi
else
  ask GET /api/version '' 4 >/dev/null
fi
