"""A receiver of HL7 version 2 over MLLP as another maker would build it, on a foreign library."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import hl7
from hl7.mllp import start_hl7_server


@dataclass
class Nurse:
    """``codes`` are its answers to come; after ``last`` it takes the message and hangs up."""

    codes: list[str] = field(default_factory=list)
    heard: list[hl7.Message] = field(default_factory=list)
    taken: list[hl7.Message] = field(default_factory=list)
    n_calls: int = 0

    async def listen(self, reader, writer) -> None:
        self.n_calls += 1
        try:
            while True:
                message = hl7.parse((await reader.readblock()).decode("utf-8"))
                self.heard.append(message)
                code = self.codes.pop(0) if self.codes else "AA"
                if code == "hang up":
                    break
                self.taken += [message] * (code in {"AA", "twice", "last"})
                for each in {"twice": ("CA", "AA"), "last": ("AA",), "noise": ()}.get(code, (code,)):
                    writer.writeblock(ack(message, each))
                if code == "noise":
                    writer.writeblock(b"HTTP/1.1 400 Bad Request")
                await writer.drain()
                if code == "last":
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @property
    def numbers(self) -> list[int]:
        return [number_of(message) for message in self.taken]


def ack(message: hl7.Message, code: str) -> bytes:
    return f"MSH|^~\\&|NURSE||||20261130||ACK^R40|1|P|2.6\rMSA|{code}|{message['MSH.F10']}\r".encode()


def number_of(message: hl7.Message) -> int:
    return int(str(message["MSH.F10"]).removeprefix("CW"))


@contextmanager
def serving(nurse: Nurse, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Its port while it listens."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def end() -> None:
        server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    opening = start_hl7_server(nurse.listen, "127.0.0.1", 0, ssl=tls)
    server = asyncio.run_coroutine_threadsafe(opening, loop).result(20)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
