#!/usr/bin/env python3
"""Turns a report folder of Autobahn|Testsuite into a verdict.

    summary.py OUT_DIR [--ran-with-status STATUS]

OUT_DIR holds index.json, as written by wstest, and cases.txt, the ids of the cases that had to run.
A case passes when both how the messages and how the close went is "OK". "INFORMATIONAL" passes too
where the suite sets no expectation: in 7.1.6, 7.13.1 and 7.13.2. Everything else fails: NON-STRICT,
UNIMPLEMENTED (permessage-deflate was not agreed), UNCLEAN, MISSING (never ran), FAILED, any other.
STATUS, when it is not 0, fails the run: the server or the client under test ended badly.

Exit status: 0 when every case passed, else 1. The last line is "N passed, N failed".
"""
import argparse
import collections
import json
import pathlib
import sys

INFORMATIONAL = ("7.1.6", "7.13.1", "7.13.2")


def read_json(path):
    try:
        return json.loads(path.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError):
        return {}


def passed(case, result):
    good = ("OK", "INFORMATIONAL") if case in INFORMATIONAL else ("OK",)
    return result["behavior"] in good and result["behaviorClose"] in ("OK", "INFORMATIONAL")


def reason(out, result):
    """What the case's own report says, shortened."""
    report = read_json(out / result.get("reportfile", "none"))
    texts = [str(report[key]) for key in ("result", "resultClose") if key in report]
    return "".join(": " + " ".join(text.split())[:160] for text in texts)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=pathlib.Path, metavar="OUT_DIR")
    parser.add_argument("--ran-with-status", type=int, default=0, metavar="STATUS")
    args = parser.parse_args()

    index = read_json(args.out / "index.json")
    agent = next(iter(index.values()), {})
    missing = {"behavior": "MISSING", "behaviorClose": "MISSING"}
    results = {case: agent.get(case, missing) for case in (args.out / "cases.txt").read_text().split()}

    groups = collections.defaultdict(list)
    for case, result in results.items():
        groups[case.split(".")[0]].append(result)
    for group, members in groups.items():
        seconds = sum(result.get("duration") or 0 for result in members) / 1000
        counts = collections.Counter(result["behavior"] for result in members)
        print("group %-3s %6.1f s  %s" % (group, seconds, ", ".join("%d %s" % (n, b) for b, n in counts.items())))
    failures = [case for case, result in results.items() if not passed(case, result)]
    for case in failures:
        result = results[case]
        print("not ok %s: %s, close %s%s"
              % (case, result["behavior"], result["behaviorClose"], reason(args.out, result)))
    counts = collections.Counter(result["behavior"] for result in results.values())
    others = sum(n for behavior, n in counts.items() if behavior not in ("OK", "INFORMATIONAL"))
    print("%d OK, %d INFORMATIONAL, %d of anything else" % (counts["OK"], counts["INFORMATIONAL"], others))

    failed = len(failures) + (args.ran_with_status != 0)
    if args.ran_with_status:
        print("not ok: ended with status %d" % args.ran_with_status)
    print("%d passed, %d failed" % (len(results) - len(failures), failed))
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())
