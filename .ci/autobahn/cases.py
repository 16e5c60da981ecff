"""Python 2.7, run by server.sh and client.sh: cases.py SPEC.json CASES.txt PATTERN...

Resolves our patterns to exact case ids, puts them into the spec's "cases", and writes
them to CASES.txt. We resolve them here because wstest itself reads "9.1*" as an
unanchored regular expression, dies on an id that does not exist, and waits for ever
when nothing is selected.

PATTERN: components as in a case id, each a number, a range "1-7", or "*"; a last "*"
stands for all the rest ("9.*" is group 9, "*" is everything, "12.*.1-7" the seven
smallest message sizes of each 12.x). "!" in front leaves the matches out.
"""
import json
import sys

from autobahntestsuite.case import Cases, CaseBasename

known = [tuple(int(n) for n in c.__name__[len(CaseBasename):].split("_")) for c in Cases]


def component(text, number):
    if text == "*":
        return True
    low, _, high = text.partition("-")
    return int(low) <= number <= int(high or low)


def select(pattern):
    parts = pattern.split(".")
    hits = set()
    for case in known:
        if len(case) == len(parts) or (len(case) > len(parts) and parts[-1] == "*"):
            if all(component(text, number) for text, number in zip(parts, case)):
                hits.add(case)
    if not hits:
        raise ValueError
    return hits


spec_path, list_path = sys.argv[1:3]
keep, drop = set(), set()
patterns = sys.argv[3:]
if all(p.startswith("!") for p in patterns):
    patterns = ["*"] + patterns
for text in patterns:
    try:
        if text.startswith("!"):
            drop |= select(text[1:])
        else:
            keep |= select(text)
    except ValueError:
        sys.exit("no case matches %r" % text)
ids = [".".join(str(n) for n in case) for case in sorted(keep - drop)]
if not ids:
    sys.exit("no case left to run")
spec = json.load(open(spec_path))
spec["cases"] = ids
json.dump(spec, open(spec_path, "w"), indent=1)
open(list_path, "w").write("\n".join(ids) + "\n")
