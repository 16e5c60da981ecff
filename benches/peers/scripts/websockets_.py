"""An echo server on websockets (Python) that compresses, with its defaults. usage: websockets_.py PORT MAX_MESSAGE"""

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
    async with serve(echo, "127.0.0.1", int(sys.argv[1]), max_size=int(sys.argv[2])) as server:
        await server.serve_forever()


asyncio.run(main())
