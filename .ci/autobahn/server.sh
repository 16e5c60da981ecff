#!/usr/bin/env bash
# Runs Autobahn|Testsuite's fuzzing client against a WebSocket echo server.
#
#   .ci/autobahn/server.sh URL [PATTERNS] [OUT_DIR]
#
# URL       e.g. ws://127.0.0.1:9001; the server must allow messages of 16 MiB
# PATTERNS  comma or space separated; "9.*" is group 9, "6.4.3" one case, "12.*.1-7" the seven
#           smallest sizes of each 12.x, "!PATTERN" leaves out, "*" is everything. The default,
#           "!12.*,!13.*", is everything but permessage-deflate: 301 cases in 10 to 20 s; with it 517, in some minutes
# OUT_DIR   default target/autobahn-server; what an earlier run left there is replaced
#
# Environment: AB_HOME (the suite's own Python 2.7, built by the first run; default
# target/autobahn-home), AB_TIMEOUT (seconds for the whole run, default 3600), AB_PYTHON2
# (a Python 2.7 to build it from).
#
# Exit status: 0 when every case ran and was strict, 1 when not, 2 when nothing could run.
# Last line: "N passed, N failed".
. "$(dirname "$0")/common.sh"

[ $# -ge 1 ] && [ $# -le 3 ] || { usage; cannot; }
url=$1
patterns=${2:-!12.*,!13.*}
out=$(fresh_folder "${3:-$here/../../target/autobahn-server}")
python=$("$here/setup.sh") || cannot "setup.sh failed"

# The port is tried first: wstest ends quietly when it is refused. "agent" is set so that a failed
# handshake, which tells no server name, is still recorded.
python3 - "$url" "$out/spec.json" <<'PY' || cannot "nothing listens at $url"
import json, socket, sys, urllib.parse
url, spec = sys.argv[1:]
parts = urllib.parse.urlsplit(url)
try:
    socket.create_connection((parts.hostname, parts.port or 80), 5).close()
except OSError as error:
    sys.exit(str(error))
with open(spec, "w") as handle:
    json.dump({"outdir": ".", "servers": [{"url": url, "agent": "server"}], "cases": [],
               "exclude-cases": [], "exclude-agent-cases": {}}, handle)
PY
choose_cases "$out" "$patterns"

echo "$(wc -l <"$out/cases.txt") cases against $url; log: $out/wstest.log"
status=0
(cd "$out" && exec timeout -k 5 "$timeout" "$python" "$here/loopback.py" -m fuzzingclient -s spec.json) \
    >"$out/wstest.log" 2>&1 </dev/null || status=$?
[ "$status" = 0 ] || tail -n 5 "$out/wstest.log"
conclude "$out" "$status"
