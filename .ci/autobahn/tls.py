#!/usr/bin/env python3
"""Puts TLS between Autobahn|Testsuite, whose Python 2.7 has none, and the program under test.

    .ci/autobahn/tls.py to HOST PORT CA           listens in the clear, and goes on over TLS
    .ci/autobahn/tls.py from HOST PORT CERT KEY   listens over TLS, and goes on in the clear

Prints the port that it listens at: one of 127.0.0.1, or, over TLS, the same of 127.0.0.2, since the suite's server refuses
requests for another. Runs until it is ended.
"""
import asyncio
import ssl
import sys


async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        # asyncio cannot end one side of TLS: the end of either is that of both.
        writer.close()


async def main():
    way, host, port, *files = sys.argv[1:]
    listens = connects = None
    if way == "to":
        connects = ssl.create_default_context(cafile=files[0])
    else:
        listens = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        listens.load_cert_chain(*files)

    async def forward(reader, writer):
        options = {"ssl": connects, "server_hostname": "localhost"} if connects else {}
        try:
            onward = await asyncio.open_connection(host, int(port), **options)
        except OSError as error:
            print(error, file=sys.stderr)
            return writer.close()
        await asyncio.gather(copy(reader, onward[1]), copy(onward[0], writer))

    at = ("127.0.0.2", int(port)) if listens else ("127.0.0.1", 0)
    server = await asyncio.start_server(forward, *at, ssl=listens)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if len(sys.argv) < 5:
    sys.exit(__doc__)
asyncio.run(main())
