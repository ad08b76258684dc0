# Gives fetched weights the names they are served by, without a second copy of them. usage: import.sh MODEL [VARIANT ...]
# Runs as a job on the weights volume, without network. What was done before with the same content is not done again; a
# name that is no longer wanted is removed.
set -euo pipefail
. /etc/slm/http.sh
records="$OLLAMA_MODELS/fetched/imported"
manifests="$OLLAMA_MODELS/manifests/registry.ollama.ai/library"
server=''

fail() {
  tail -n 5 /tmp/serve.log >&2
  echo "import of $1: $2" >&2
  exit 1
}

# The server is started only when there is something to do.
serve() {
  [[ $server ]] && return
  ollama serve >/tmp/serve.log 2>&1 &
  server=$!
  trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true' EXIT
  local tries
  for ((tries = 0; tries < 120; tries++)); do
    ask GET /api/version '' 4 >/dev/null && return
    kill -0 "$server" || fail "$1" "the Ollama server did not start"
    sleep 0.5
  done
  fail "$1" "the Ollama server did not answer"
}

# create NAME BODY BEFORE: makes the model unless the record says it was made from BODY, after BEFORE.
create() {
  local answer
  if [[ -e $manifests/$1/latest && -e $records/$1.json && $(<"$records/$1.json") == "$3$2" ]]; then
    echo "$1 is already imported"
    return
  fi
  serve "$1"
  answer=$(ask POST /api/create "$2" 3000) && [[ $answer == *'"success"'* ]] ||
    fail "$1" "Ollama refused the model: $answer"
  printf '%s' "$3$2" >"$records/$1.json"
  echo "$1 is imported"
}

mkdir -p "$records"
# What `fetch` found ({"files": …} or {"from": …}) and what this stack wants (name, template, parameters): one object.
from=$(<"$OLLAMA_MODELS/fetched/from.json")
wanted=$(</etc/slm/create.json)
base="${from%\}},${wanted#\{}"
create "$1" "$base" ''
for ((number = 2; number <= $#; number++)); do
  # A variant takes over what its origin was at that moment, so it is made again with it.
  create "${!number}" "$(</etc/slm/variant-$((number - 1)).json)" "$base"
done

for record in "$records"/*.json; do
  name=${record##*/} name=${name%.json}
  [[ " $* " == *" $name "* ]] && continue
  if [[ -e $manifests/$name/latest ]]; then
    serve "$name"
    ask DELETE /api/delete "{\"model\":\"$name\"}" 60 >/dev/null || fail "$name" "Ollama did not remove it"
  fi
  rm "$record"
  echo "$name is removed"
done
