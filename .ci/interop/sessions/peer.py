"""Python's websockets in a session.

    peer.py client URL MESSAGES
    peer.py server MESSAGES
"""
import sys
import threading

from websockets.sync.client import connect
from websockets.sync.server import serve

from messages import read

SECONDS = 60


def session(socket, messages):
    def send():
        for message in messages:
            socket.send(message)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    for n, message in enumerate(messages):
        got = socket.recv(timeout=SECONDS)
        if type(got) is not type(message) or got != message:
            raise AssertionError(f"message {n} is {got!r:.100}, not {message!r:.100}")
    sender.join()
    socket.close()
    if socket.close_code != 1000:
        raise AssertionError(f"closed with {socket.close_code}")


def server(messages):
    done = threading.Event()
    problem = []

    def handle(socket):
        if socket.request.path == "/getCaseCount":
            return socket.send("1")
        try:
            session(socket, messages)
        except Exception as error:
            problem.append(error)
        done.set()

    with serve(handle, "127.0.0.1", 0) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        print(f"listening on {listener.socket.getsockname()[1]}", flush=True)
        done.wait()
        listener.shutdown()
    if problem:
        raise problem[0]


if __name__ == "__main__":
    messages = read(sys.argv[-1])
    if sys.argv[1] == "server":
        server(messages)
    else:
        with connect(sys.argv[2], max_size=None, close_timeout=SECONDS) as socket:
            session(socket, messages)
