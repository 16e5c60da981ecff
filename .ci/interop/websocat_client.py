"""websocat against the echo servers: it is driven by its command line and judged by its output.

Run by .ci/interop/run websocat.
"""
import os
import subprocess
import urllib.parse

from lib import LIMIT, check, expect

ECHO = os.environ["ECHO_URL"]
SERVERS = {name: os.environ[f"{name.upper()}_URL"] for name in os.environ["ECHOES"].split()}


def websocat(*arguments, stdin=b""):
    return subprocess.run(["websocat", *arguments], input=stdin, capture_output=True, timeout=30)


def contains(text, part):
    if part not in text.decode(errors="replace"):
        raise AssertionError(f"{part!r} is not in {text[-300:]!r}")


def echoes(url, kind, message):
    """The line mode makes one message of all up to the newline, which it sends too."""
    done = websocat(kind, "--one-message", "--no-close", "-B", str(2 * LIMIT), url, stdin=message)
    expect((done.returncode, done.stdout), (0, message))


def ping(url):
    arguments = ["websocat", "--text", "--ping-interval", "1", "--ping-timeout", "3", "--print-ping-rtts", url]
    # Its standard input stays open, so that it stays connected.
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            while line := process.stderr.readline():
                if line.startswith(b"RTT"):
                    return
            raise AssertionError("it ended without a pong")
        finally:
            process.kill()


def subprotocol(url):
    done = websocat("-vv", "--text", "--protocol", "chat.v1", url)
    contains(done.stderr.lower(), "sec-websocket-protocol: chat.v1")  # hyper writes names in small letters


def own_close(url):
    done = websocat("-vv", "--text", "--close-status-code", "4000", "--close-reason", "done", url)
    contains(done.stderr, 'Some(CloseData { status_code: 4000, reason: "done" })')


def too_large(url):
    done = websocat("-vv", "--text", "--no-close", "-B", str(2 * LIMIT), url, stdin=b"x" * LIMIT + b"\n")
    contains(done.stderr, "Some(CloseData { status_code: 1009")


def server_close():
    url = urllib.parse.urljoin(ECHO, "/close?code=4001&reason=bye")
    done = websocat("-vv", "--text", "--unidirectional-reverse", url)
    contains(done.stderr, 'Some(CloseData { status_code: 4001, reason: "bye" })')


def other_origin(url):
    done = websocat("--text", "--origin", "http://other.example", url)
    contains(done.stderr, "403 Forbidden")


for name, url in SERVERS.items():
    check(f"websocat {name}: text", echoes, url, "--text", "Grüße, 世界, 👋\n".encode())
    check(f"websocat {name}: binary", echoes, url, "--binary", bytes(i for i in range(256) if i != 10) + b"\n")
    check(f"websocat {name}: a text of 1 MiB", echoes, url, "--text", b"x" * (LIMIT - 1) + b"\n")
    check(f"websocat {name}: one byte more is answered by 1009", too_large, url)
    check(f"websocat {name}: a ping is answered", ping, url)
    check(f"websocat {name}: a subprotocol is agreed", subprotocol, url)
    check(f"websocat {name}: its close is answered with the same code and reason", own_close, url)
    check(f"websocat {name}: another origin is refused with 403", other_origin, url)
check("websocat echo: the server's close comes with code and reason", server_close)
