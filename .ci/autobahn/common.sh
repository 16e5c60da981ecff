# Sourced by server.sh and client.sh: what both directions of the suite share.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export AB_HOME=${AB_HOME:-$here/../../target/autobahn-home}
timeout=${AB_TIMEOUT:-3600}

# Ends the run; the last line keeps its form.
cannot() {
    [ -z "${1:-}" ] || echo "$(basename "$0"): $1" >&2
    echo "0 passed, 1 failed"
    exit 2
}

# Prints the comment a script begins with.
usage() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2; }

# Makes the report folder and forgets what an earlier run left there; prints its full path.
fresh_folder() {
    mkdir -p "$1"
    find "$1" -maxdepth 1 -type f \( -name '*_case_*.json' -o -name '*_case_*.html' -o -name index.json \
        -o -name index.html -o -name spec.json -o -name cases.txt -o -name wstest.log -o -name client.log \) -delete
    (cd "$1" && pwd)
}

# Puts the cases that PATTERNS select into OUT_DIR/spec.json and OUT_DIR/cases.txt.
choose_cases() {
    local words
    read -r -a words <<<"${2//,/ }"
    "$python" "$here/cases.py" "$1/spec.json" "$1/cases.txt" "${words[@]}" || cannot "no cases chosen"
}

# Judges the reports in OUT_DIR; the second argument is the exit status of what was run.
conclude() {
    local verdict=0
    python3 "$here/summary.py" "$1" --ran-with-status "$2" || verdict=$?
    exit "$verdict"
}
