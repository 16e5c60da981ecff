#!/usr/bin/env bash
# For a machine without Python 2.7: fetches Debian 11's through apt (signed; no root, nothing is
# installed) and unpacks it in HOME/py27. apt's lists, cache and status stay in HOME/apt.
#
#   .ci/autobahn/python27-debs.sh HOME
set -euo pipefail
home=$(mkdir -p "$1" && cd "$1" && pwd)
apt=$home/apt
mkdir -p "$apt"/{lists/partial,cache/archives/partial,debs,empty}
: >"$apt/status"

# The mirror this system uses, with Debian 11's name in place of its own.
mirror=$(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI)' | awk '$1 == "Debian" && $2 !~ /-/ { print $3; exit }')
[ -n "$mirror" ] || { echo "python27-debs.sh: apt's sources name no Debian mirror" >&2; exit 2; }
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keyring] $mirror bullseye main" >"$apt/bullseye.list"
options=(-qq -o "Dir::State::lists=$apt/lists" -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt/cache"
    -o "Dir::Etc::sourcelist=$apt/bullseye.list" -o "Dir::Etc::sourceparts=$apt/empty" -o APT::Get::List-Cleanup=0
    -o Acquire::Languages=none -o Debug::NoLocking=1 -o APT::Sandbox::User=root)
apt-get "${options[@]}" update

cd "$apt/debs"
apt-get "${options[@]}" download python2.7-minimal libpython2.7-minimal libpython2.7-stdlib python2.7 \
    libpython2.7 libpython2.7-dev python2.7-dev libssl1.1 libffi7
rm -rf "$home/py27" && mkdir "$home/py27"
for deb in *.deb; do dpkg-deb -x "$deb" "$home/py27"; done
