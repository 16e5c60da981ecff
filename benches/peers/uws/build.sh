#!/bin/sh
# Builds the uWebSockets server: `uws/build.sh OUTPUT [--full]`. Needs g++, python3 and cargo.
#
# The C++ source comes with the crate libuwebsockets-sys, which Cargo.lock pins; nothing else of that crate is
# used. Compression and TLS are left out, but for --full, which needs zlib and OpenSSL: zlib1g-dev and libssl-dev.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
output=$1
manifest=$(cargo metadata --format-version 1 --manifest-path "$here/../Cargo.toml" | python3 -c '
import json, sys
for package in json.load(sys.stdin)["packages"]:
    if package["name"] == "libuwebsockets-sys":
        print(package["manifest_path"])
')
source=$(dirname "$manifest")/uWebSockets
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
flags="-O3 -flto -I$source/src -I$source/uSockets/src -w"
case ${2:-} in
--full)
    flags="$flags -DLIBUS_USE_OPENSSL"
    libraries="-lssl -lcrypto -lz"
    g++ -std=c++20 $flags -c "$source/uSockets/src/crypto/sni_tree.cpp"
    ;;
*)
    flags="$flags -DLIBUS_NO_SSL -DUWS_NO_ZLIB"
    libraries=
    ;;
esac
for file in "$source"/uSockets/src/*.c "$source"/uSockets/src/eventing/*.c "$source"/uSockets/src/crypto/*.c; do
    gcc -std=c11 $flags -c "$file"
done
g++ -std=c++20 $flags -c "$here/echo.cpp"
g++ -O3 -flto ./*.o -o echo -lpthread $libraries
mv echo "$output"
