#!/usr/bin/env bash
# Runs a WebSocket client against Autobahn|Testsuite's fuzzing server.
#
#   .ci/autobahn/client.sh PATTERNS OUT_DIR COMMAND [ARG..]
#
# PATTERNS, the environment, the exit status and the last line are as for server.sh.
# In the ARGs "{url}" becomes ws://127.0.0.1:PORT and "{agent}" the name in the report; both are in
# the environment too, as AB_URL and AB_AGENT. For case = 1 .. the number which it is sent as a text
# message at {url}/getCaseCount, COMMAND must connect to {url}/runCase?case=N&agent={agent} and echo
# every text and binary message until the connection ends. It need not ask for /updateReports.
# Case N is the N-th of OUT_DIR/cases.txt.
. "$(dirname "$0")/common.sh"

[ $# -ge 3 ] || { usage; cannot; }
patterns=$1
out=$(fresh_folder "$2")
shift 2
python=$("$here/setup.sh") || cannot "setup.sh failed"

port=$(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
export AB_URL=ws://127.0.0.1:$port AB_AGENT=client
printf '{"url": "%s", "outdir": ".", "cases": []}\n' "$AB_URL" >"$out/spec.json"
choose_cases "$out" "$patterns"

(cd "$out" && exec "$python" "$here/loopback.py" -m fuzzingserver -u 0 -s spec.json) \
    >"$out/wstest.log" 2>&1 </dev/null &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
until (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
    kill -0 "$server" 2>/dev/null || { tail -n 5 "$out/wstest.log" >&2; cannot "the fuzzing server did not start"; }
    sleep 0.1
done

command=()
for word in "$@"; do
    word=${word//'{url}'/$AB_URL}
    command+=("${word//'{agent}'/$AB_AGENT}")
done
echo "$(wc -l <"$out/cases.txt") cases at $AB_URL; logs: $out/client.log, $out/wstest.log"
status=0
timeout -k 5 "$timeout" "${command[@]}" >"$out/client.log" 2>&1 </dev/null || status=$?
[ "$status" = 0 ] || { echo "COMMAND ended with status $status:"; tail -n 5 "$out/client.log"; }

# Has the reports written: a bare handshake does it, and a Close frame comes when they are there.
python3 - "$port" "$AB_AGENT" <<'PY' || true
import socket, sys
port, agent = sys.argv[1:]
with socket.create_connection(("127.0.0.1", int(port)), 60) as s:
    s.sendall(("GET /updateReports?agent=%s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
               "Sec-WebSocket-Version: 13\r\n\r\n" % (agent, port)).encode())
    s.settimeout(300)
    seen = b""
    while b"\r\n\r\n\x88" not in seen:
        got = s.recv(4096)
        if not got:
            sys.exit("client.sh: no reports were written")
        seen += got
    s.sendall(b"\x88\x80\0\0\0\0")
PY
kill "$server" 2>/dev/null || true
wait "$server" 2>/dev/null || true
conclude "$out" "$status"
