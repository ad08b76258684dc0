# Gives fetched weights the name they are served by, without a second copy of them. usage: import.sh MODEL
# Runs as a job on the weights volume, without network. Done before with the same content: nothing to do.
set -euo pipefail
. /etc/slm/http.sh
model=$1
record="$OLLAMA_MODELS/fetched/imported.json"
manifest="$OLLAMA_MODELS/manifests/registry.ollama.ai/library/$model/latest"

fail() {
  tail -n 5 /tmp/serve.log >&2
  echo "import of $model: $1" >&2
  exit 1
}

# What `fetch` found ({"files": …} or {"from": …}) and what this stack wants (name, template, parameters): one object.
from=$(<"$OLLAMA_MODELS/fetched/from.json")
wanted=$(</etc/slm/create.json)
body="${from%\}},${wanted#\{}"
if [[ -e $manifest && -e $record && $(<"$record") == "$body" ]]; then
  echo "$model is already imported"
  exit 0
fi

ollama serve >/tmp/serve.log 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true' EXIT
for ((tries = 0; tries < 120; tries++)); do
  ask GET /api/version '' 4 >/dev/null && break
  kill -0 "$server" || fail "the Ollama server did not start"
  sleep 0.5
done
answer=$(ask POST /api/create "$body" 3000) && [[ $answer == *'"success"'* ]] ||
  fail "Ollama refused the model: $answer"
printf '%s' "$body" >"$record"
echo "$model is imported"
