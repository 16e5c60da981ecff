#!/usr/bin/env bash
# Runs a client against a server that speaks no TLS, over TLS: for client.sh.
#
#   .ci/autobahn/over_tls.sh CERT KEY COMMAND URL AGENT
#
# The command gets the wss URL of what stands in front, the agent, and CERT as the file to trust.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
coproc FORWARD { exec "$here/tls.py" from 127.0.0.1 "${4##*:}" "$1" "$2"; }
trap 'kill "$FORWARD_PID"' EXIT
read -r port <&"${FORWARD[0]}"
"$3" "wss://127.0.0.2:$port" "$5" "$1"
