"""Python's websockets against the echo servers; it can also ping and send fragments.

Run by .ci/interop/run websockets.
"""
import http.client
import json
import os
import random
import signal
import urllib.parse

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory as Deflate
from websockets.sync.client import connect

from lib import LIMIT, check, ends, expect

ECHO = os.environ["ECHO_URL"]
CHAT = os.environ["CHAT_URL"]
SERVERS = {name: os.environ[f"{name.upper()}_URL"] for name in os.environ["ECHOES"].split()}


def open(url, **options):
    return connect(url, max_size=None, open_timeout=10, close_timeout=10, **options)


def echoes(url, *messages):
    with open(url) as socket:
        for message in messages:
            socket.send(message)
            expect(socket.recv(timeout=20), message)


def fragments(url):
    with open(url) as socket:
        socket.send(["Grü", "ße, ", "", "世界"])
        expect(socket.recv(timeout=20), "Grüße, 世界")
        socket.send([b"\x00" * 70_000, b"", b"\xff" * 70_000])
        expect(socket.recv(timeout=20), b"\x00" * 70_000 + b"\xff" * 70_000)


def ping(url):
    with open(url) as socket:
        for payload in (b"", b"are you there?", bytes(125)):
            # The waiter ends only when a pong with this payload comes.
            expect(socket.ping(payload).wait(10), True)


def subprotocol(url):
    with open(url, subprotocols=["chat.v2", "chat.v1"]) as socket:
        expect(socket.subprotocol, "chat.v2")
    with open(url) as socket:
        expect(socket.subprotocol, None)


def own_close(url):
    with open(url) as socket:
        socket.close(4000, "done")
        answer = socket.protocol.close_rcvd
        expect((answer.code, answer.reason), (4000, "done"))


def ending(socket):
    """The code and reason of the server's Close frame, which must come."""
    try:
        socket.recv(timeout=20)
    except ConnectionClosed as end:
        if end.rcvd is None:
            raise AssertionError(f"no Close frame: {end}") from None
        return end.rcvd.code, end.rcvd.reason
    raise AssertionError("a message came in place of the Close frame")


def too_large(url, message):
    with open(url) as socket:
        try:
            socket.send(message)
        except ConnectionClosed:
            pass  # the server need not read it to the end
        expect(ending(socket)[0], 1009)


def server_close(code, reason):
    with open(urllib.parse.urljoin(ECHO, f"/close?code={code}&reason={reason}")) as socket:
        expect(ending(socket), (code, reason))


def refused(url, status, **options):
    try:
        open(url, **options).close()
    except InvalidStatus as refusal:
        expect(refusal.response.status_code, status)
    else:
        raise AssertionError("the handshake succeeded")


def plain_get(url, status):
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=10)
    connection.request("GET", "/")
    response = connection.getresponse()
    expect(response.status, status)
    if status == 426:  # RFC 9110, section 15.5.22
        expect(response.headers.get("Upgrade", "").lower(), "websocket")


# Parameters that a client may ask for; the first are what it asks for by itself.
OFFERS = {
    "the defaults": {"client_max_window_bits": True},
    "no takeover": {"server_no_context_takeover": True, "client_no_context_takeover": True},
    "small windows": {"server_max_window_bits": 9, "client_max_window_bits": 9},
}


def compressed(url, offer):
    """10,000 messages, each compared: whether it refers to those before it or not, shrinks or not."""
    source = random.Random(7692)
    with open(url, compression=None, extensions=[Deflate(**offer)] if offer else None) as socket:
        expect(bool(socket.protocol.extensions), bool(offer and os.environ["DEFLATE"]))
        for _ in range(200):
            messages = [message(source) for _ in range(50)]
            for one in messages:
                socket.send(one)
                if source.random() < 0.05:
                    socket.ping(source.randbytes(50))
            for one in messages:
                expect(socket.recv(timeout=20), one)


def message(source):
    kind = source.randrange(8)
    if kind == 0:
        return source.randbytes(source.randrange(2000))
    if kind == 1:
        return "" if source.random() < 0.5 else b""
    ticks = [{"id": source.randrange(10**6), "symbol": source.choice(["EURUSD", "GBPJPY"]), "bid": source.random(),
              "name": "Grüße, 世界"} for _ in range(source.randrange(1, 20))]
    return json.dumps(ticks, ensure_ascii=False)


def terminated(url, pid):
    with open(url) as socket, open(url) as other:
        os.kill(pid, signal.SIGTERM)
        expect(ending(socket)[0], 1001)
        expect(ending(other)[0], 1001)
    ends(pid)


for name, url in SERVERS.items():
    check(f"websockets {name}: text", echoes, url, "hello", "Grüße, 世界, 👋")
    check(f"websockets {name}: binary", echoes, url, bytes(range(256)))
    check(f"websockets {name}: an empty text, an empty binary message", echoes, url, "", b"", "after")
    check(f"websockets {name}: a text of 1 MiB", echoes, url, "x" * LIMIT)
    check(f"websockets {name}: a binary message of 1 MiB", echoes, url, os.urandom(LIMIT))
    check(f"websockets {name}: one byte more is answered by 1009", too_large, url, bytes(LIMIT + 1))
    check(f"websockets {name}: also in fragments", too_large, url, [bytes(LIMIT), b"x"])
    check(f"websockets {name}: fragmented messages", fragments, url)
    check(f"websockets {name}: a ping is answered with its payload", ping, url)
    check(f"websockets {name}: a subprotocol is agreed", subprotocol, url)
    check(f"websockets {name}: its close is answered with the same code and reason", own_close, url)
    check(f"websockets {name}: another origin is refused with 403", refused, url, 403, origin="http://other.example")
    for offered, offer in OFFERS.items():
        check(f"websockets {name}: 10,000 messages, compressed with {offered}", compressed, url, offer)
    check(f"websockets {name}: 10,000 messages to a client that does not offer it", compressed, url, None)

check("websockets echo: the server's close comes with code and reason", server_close, 4001, "bye")
check("websockets echo: the server's close comes without a reason", server_close, 1000, "")
check("websockets echo: a plain GET is answered by 426", plain_get, ECHO, 426)
check("websockets embed: a plain GET is answered by 200", plain_get, SERVERS["embed"], 200)
check("websockets chat: a plain GET is answered by 200", plain_get, CHAT, 200)
check("websockets echo: SIGTERM closes everybody with 1001", terminated, ECHO, int(os.environ["ECHO_PID"]))
check("websockets chat: SIGTERM closes everybody with 1001", terminated, CHAT, int(os.environ["CHAT_PID"]))
