"""An echo server on websockets (Python) that compresses, with its defaults but for its heartbeat, as clients have nothing
to say to that while others have their turns. usage: echo.py PORT MAX_MESSAGE"""

import asyncio
import logging
import sys

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


async def echo(socket):
    try:
        async for message in socket:
            await socket.send(message)
    except ConnectionClosed:
        pass


async def main():
    logging.disable()
    port, max_size = map(int, sys.argv[1:])
    async with serve(echo, "127.0.0.1", port, max_size=max_size, ping_interval=None) as server:
        await server.serve_forever()


asyncio.run(main())
