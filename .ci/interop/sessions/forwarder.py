"""What stands between a client and a server: it reads what they agree on, and counts the bytes."""
import pathlib
import re
import socket
import threading

PAGE = b"<!doctype html><title>Session</title><script src=session.js></script>"


class Forwarder:
    """Forwards WebSocket connections to a port. Browsers also get the page in which they talk, and the file of the messages,
    from here: so the page is of the socket's origin."""

    def __init__(self, port, messages):
        self.to = port
        script = pathlib.Path(__file__).with_name("session.js")
        self.files = {"/": ("text/html", PAGE), "/session.js": ("text/javascript", script.read_bytes()),
                      "/messages": ("application/octet-stream", messages.read_bytes())}
        self.extension = self.sent = self.answered = None  # of the last handshake
        self.sockets = []

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.sockets.append(self.listener)
        self.origin = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        for each in self.sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            self.sockets.append(client)
            threading.Thread(target=self.serve, args=[client], daemon=True).start()

    def serve(self, client):
        request, rest = head(client)
        if not re.search(rb"\r\nupgrade: *websocket\r\n", request, re.I):
            return self.answer(client, request)
        server = socket.create_connection(("127.0.0.1", self.to))
        self.sockets.append(server)
        server.sendall(request)
        answer, back = head(server)
        client.sendall(answer)
        extension = re.search(rb"\r\nsec-websocket-extensions: *(.*)\r\n", answer, re.I)
        self.extension = extension[1].decode() if extension else None
        self.sent = Direction(client, server, rest)
        self.answered = Direction(server, client, back)

    def answer(self, client, request):
        with client:
            if not request:
                return
            file = self.files.get(request.split()[1].decode())
            status = "200 OK" if file else "404 Not Found"
            kind, body = file or ("text/plain", b"")
            client.sendall(f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
                           "Connection: close\r\n\r\n".encode() + body)


class Direction:
    """Forwards one way."""

    def __init__(self, source, sink, first):
        self.bytes = 0
        self.thread = threading.Thread(target=self.forward, args=[source, sink, first], daemon=True)
        self.thread.start()

    def forward(self, source, sink, data):
        try:
            while True:
                self.bytes += len(data)
                sink.sendall(data)
                data = source.recv(65536)
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
        except OSError:
            pass  # the other end has said why, or has all that it wanted

    def count(self):
        """The bytes, once all have come."""
        self.thread.join(10)
        return self.bytes


def head(source):
    """The head of a request or an answer, and what has come behind it."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = source.recv(65536)
        if not more:
            return b"", b""
        data += more
    end = data.index(b"\r\n\r\n") + 4
    return data[:end], data[end:]
