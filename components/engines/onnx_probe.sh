# Health of our ONNX server. usage: probe.sh PORT
# /ready answers 200 only after a first token was generated; /live then tells whether the model still computes, and
# stays 200 while the server drains, so that a stopping server is not reported as broken.
set -u
ready=/tmp/ready

# get PATH: fails unless the answer's status is 200 and arrives within 4 seconds.
get() {
  local status
  { exec 3<>"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null || return 1
  printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$1" >&3
  IFS= read -r -t 4 status <&3 || return 1
  exec 3>&-
  [[ $status == *" 200 "* ]]
}

port=$1
if [[ -e $ready ]]; then get /live; else get /ready && : >"$ready"; fi
