"""Python 2.7, run by server.sh and client.sh: wstest, with every listening socket on
127.0.0.1. By itself wstest's fuzzingserver listens on all interfaces, whatever host
its "url" names, and opens a web server on port 8080 as well (-u 0 prevents that)."""
import sys

import autobahntestsuite.choosereactor  # must come first: it installs the reactor
from twisted.internet import reactor

listen_tcp = reactor.listenTCP


def listen_on_loopback(port, factory, backlog=50, interface=""):
    return listen_tcp(port, factory, backlog, interface or "127.0.0.1")


reactor.listenTCP = listen_on_loopback

from autobahntestsuite.wstest import run  # noqa: E402

sys.exit(run())
