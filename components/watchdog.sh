# Usage: watchdog.sh PORT SECONDS CONTAINER...
# Docker marks a container unhealthy and leaves it at that. One that stays so for SECONDS is started again here, by way of
# an HAProxy in this same container that passes nothing else to Docker (components/watchdog.py).
set -u
port=$1 patience=$2
shift 2

haproxy -db -f /etc/slm/haproxy.cfg &
proxy=$!
trap 'kill "$proxy"; wait "$proxy"; exit 0' TERM INT

# ask METHOD PATH: what Docker answers, with its status line.
ask() {
  (
    exec 3<>"/dev/tcp/127.0.0.1/$port" || exit 1
    printf '%s %s HTTP/1.0\r\nHost: docker\r\nContent-Length: 0\r\n\r\n' "$1" "$2" >&3
    timeout 50 cat <&3
  ) 2>/dev/null
}

say() { # say WHAT CONTAINER
  printf '{"did":"%s","container":"%s","unhealthy_seconds":%d}\n' "$1" "$2" "$((SECONDS - since[$2]))"
}

declare -A since=()
# Without its proxy it is blind: it ends, and Docker starts it again.
while kill -0 "$proxy" 2>/dev/null; do
  for name in "$@"; do
    answer=$(ask GET "/containers/$name/json")
    if [[ ! $answer =~ \"Health\":\{\"Status\":\"unhealthy\" ]]; then
      unset "since[$name]"
      continue
    fi
    : "${since[$name]:=$SECONDS}"
    if ((SECONDS - since[$name] >= patience)); then
      answer=$(ask POST "/containers/$name/restart")
      if [[ $answer == HTTP/1.?\ 204* ]]; then say restarted "$name"; else say "restart refused" "$name"; fi
      unset "since[$name]"
    fi
  done
  sleep 10 &
  wait $!
done
exit 1
