"""iroh through its Python binding: round trips, then bulk on the same stream.

    iroh_peer.py answer FOLDER SECONDS          iroh_peer.py ask FOLDER SECONDS

The binding copies bytes one by one in Python; that is replaced by block copies, or Python would be what is measured.
"""

import asyncio
import ctypes
import os
import pathlib
import sys
import time

import iroh
from iroh import iroh_ffi

import measure

PROTOCOL = b"bench"
CHUNK = 1 << 20


def write_block(builder, value):
    with builder._reserve(len(value)):
        start = ctypes.addressof(builder.rbuf.data.contents) + builder.rbuf.len
        ctypes.memmove(start, bytes(value), len(value))


def read_block(stream, size):
    if stream.offset + size > stream.len:
        raise iroh_ffi.InternalError("read past the end of a buffer")
    start = ctypes.addressof(stream.data.contents) + stream.offset
    stream.offset += size
    return ctypes.string_at(start, size) if size else b""


iroh_ffi._UniffiRustBufferBuilder.write = write_block
iroh_ffi._UniffiRustBufferStream.read = read_block


async def endpoint():
    return await iroh.Endpoint.bind(iroh.EndpointOptions(
        preset=iroh.preset_minimal(), bind_addr="127.0.0.1:0", alpns=[PROTOCOL],
        relay_mode=iroh.RelayMode.disabled()))


async def answer(folder):
    own = await endpoint()
    address = next(text for text in own.bound_sockets() if not text.startswith("["))
    draft = folder / "address.new"
    draft.write_text(f"{own.id()}\n{address}")
    draft.rename(folder / "address")
    connection = await (await (await own.accept_next()).accept()).connect()
    stream = await connection.accept_bi()
    incoming, outgoing = stream.recv(), stream.send()
    # A block of 64 bytes is sent back until one says that the bulk begins.
    while True:
        block = await incoming.read_exact(measure.ECHO_BYTES)
        await outgoing.write_all(block)
        if block[0] == 1:
            break
    span, count = measure.Span(), 0
    while True:
        block = await incoming.read(CHUNK)
        if not block:
            break
        count += len(block)
    fields = span.fields()
    await outgoing.write_all(b"done")
    await outgoing.finish()
    measure.tell(bytes=count, **fields)
    await asyncio.sleep(0.3)


async def ask(folder, seconds):
    while not (folder / "address").exists():
        await asyncio.sleep(0.02)
    peer, address = (folder / "address").read_text().split("\n")
    own = await endpoint()
    began = time.monotonic()
    connection = await own.connect(iroh.EndpointAddr(iroh.EndpointId.from_string(peer), None, [address]), PROTOCOL)
    stream = await connection.open_bi()
    incoming, outgoing = stream.recv(), stream.send()
    connected = time.monotonic() - began

    times, end = [], time.monotonic() + measure.ECHO_SECONDS
    while len(times) < measure.ECHOES and time.monotonic() < end:
        began = time.monotonic()
        await outgoing.write_all(bytes(measure.ECHO_BYTES))
        await incoming.read_exact(measure.ECHO_BYTES)
        times.append(time.monotonic() - began)
    await outgoing.write_all(b"\x01" * measure.ECHO_BYTES)
    await incoming.read_exact(measure.ECHO_BYTES)

    block, span = os.urandom(CHUNK), measure.Span()
    while time.monotonic() < span.began + seconds:
        await outgoing.write_all(block)
    await outgoing.finish()
    await incoming.read_exact(4)
    measure.tell(connect_ms=connected * 1000, **measure.round_trips(times), **span.fields())


role, folder, seconds = sys.argv[1], pathlib.Path(sys.argv[2]), float(sys.argv[3])
asyncio.run(answer(folder) if role == "answer" else ask(folder, seconds))
