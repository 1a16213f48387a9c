"""A TCP proxy that is a bad wire: pieces come late, byte by byte, or not at all for a
while, and connections are reset in the middle of a frame. From a seed."""
import asyncio
import random
import threading

PIECE = 4096
BYTES_ALONE = 200  # A longer piece is not sent byte by byte to its end.


class Chaos:
    """One address that stays, in front of another that may change."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.target = None
        self.calm = False
        self.resets = 0
        self.open = set()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._accept, "127.0.0.1", 0), self.loop).result()
        self.server = server
        self.endpoint = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    def lead_to(self, endpoint):
        host, port = endpoint.removeprefix("tcp://").rsplit(":", 1)
        self.target = (host, int(port))

    def reset_all(self):
        """Every connection, in the middle of what it is doing."""
        def abort():
            for writer in list(self.open):
                writer.transport.abort()
        self.resets += 1
        self.loop.call_soon_threadsafe(abort)

    def close(self):
        self.reset_all()
        self.loop.call_soon_threadsafe(self.server.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    async def _accept(self, near_reader, near_writer):
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.target)
        except OSError:
            near_writer.transport.abort()
            return
        self.open |= {near_writer, far_writer}
        try:
            await asyncio.gather(self._carry(near_reader, far_writer),
                                 self._carry(far_reader, near_writer))
        except OSError:
            pass
        finally:
            for writer in (near_writer, far_writer):
                self.open.discard(writer)
                writer.transport.abort()

    async def _carry(self, reader, writer):
        while True:
            piece = await reader.read(PIECE)
            if not piece:
                raise ConnectionResetError
            mood = 1.0 if self.calm else self.random.random()
            if mood < 0.01:
                writer.write(piece[: len(piece) // 2])
                await writer.drain()
                self.resets += 1
                raise ConnectionResetError
            if mood < 0.02:
                await asyncio.sleep(self.random.uniform(0.1, 0.8))
            elif mood < 0.12:
                await asyncio.sleep(self.random.uniform(0, 0.02))
            elif mood < 0.2:
                for i in range(min(len(piece), BYTES_ALONE)):
                    writer.write(piece[i : i + 1])
                    await writer.drain()
                piece = piece[BYTES_ALONE:]
            writer.write(piece)
            await writer.drain()
