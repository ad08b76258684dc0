# One HTTP request with nothing but bash: the upstream image has no curl. Sourced by ollama_probe.sh and ollama_import.sh.
export LC_ALL=C # ${#body} then counts bytes, as Content-Length does.

# ask METHOD PATH BODY SECONDS: prints the answer's body; fails unless the status is 200 and arrives within SECONDS.
ask() {
  local status line
  { exec 3<>"/dev/tcp/127.0.0.1/${OLLAMA_HOST##*:}"; } 2>/dev/null || return 1
  printf '%s %s HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
    "$1" "$2" "${#3}" "$3" >&3
  IFS= read -r -t "$4" status <&3 || return 1
  while IFS= read -r -t 5 line <&3 && [[ ${line%$'\r'} ]]; do :; done
  cat <&3
  exec 3>&-
  [[ $status == *" 200 "* ]]
}
