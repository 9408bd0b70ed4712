"""libdatachannel (DTLS and usrsctp) through its Python binding: round trips, then bulk in one data channel.

    libdatachannel_peer.py answer FOLDER SECONDS          libdatachannel_peer.py ask FOLDER SECONDS
"""

import json
import os
import pathlib
import socket
import sys
import threading
import time

import _pylibdatachannel as rtc

import measure

BLOCK = 60_000
# Sending never blocks, and the binding does not tell what waits: the answerer confirms every MiB, and so much may be unconfirmed.
CONFIRMED, WINDOW = 1 << 20, 8 << 20
BULK, END, DONE, MORE = b"bulk", b"end", b"done", b"more"


class Signaling:
    """Descriptions and candidates as lines of JSON over a Unix socket."""

    def __init__(self, role, folder):
        path = str(folder / "signaling")
        if role == "answer":
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(path)
            listener.listen(1)
            connection, _ = listener.accept()
        else:
            connection = socket.socket(socket.AF_UNIX)
            while connection.connect_ex(path) != 0:
                time.sleep(0.02)
        self.file = connection.makefile("rw")
        self.lock = threading.Lock()

    def send(self, **fields):
        with self.lock:
            self.file.write(json.dumps(fields) + "\n")
            self.file.flush()

    def apply_to(self, peer):
        for line in self.file:
            fields = json.loads(line)
            if "sdp" in fields:
                kind = getattr(rtc.DescriptionType, fields["type"])
                peer.set_remote_description(rtc.Description(fields["sdp"], kind))
            else:
                peer.add_remote_candidate(rtc.Candidate(fields["candidate"], fields["mid"]))


class Peer:
    def __init__(self, role, folder):
        signaling = Signaling(role, folder)
        self.channel = None
        self.opened = threading.Event()
        self.heard = threading.Event()
        self.done = threading.Event()
        self.span, self.count = None, 0
        self.confirmations = threading.Semaphore(WINDOW // CONFIRMED)
        self.role = role
        self.connection = rtc.PeerConnection(rtc.Configuration([]))
        self.connection.on_local_description(
            lambda description: signaling.send(sdp=str(description), type=description.type.name))
        self.connection.on_local_candidate(
            lambda candidate: signaling.send(candidate=candidate.candidate, mid=candidate.mid))
        self.connection.on_data_channel(self.use)
        threading.Thread(target=signaling.apply_to, args=(self.connection,), daemon=True).start()
        if role == "ask":
            self.use(self.connection.create_data_channel("bench"))
        if not self.opened.wait(20):
            sys.exit("no data channel within 20 s")

    def use(self, channel):
        self.channel = channel
        channel.on_message(self.take_answer if self.role == "ask" else self.take)
        channel.on_open(lambda *_: self.opened.set())
        if channel.is_open:
            self.opened.set()

    def take(self, message):
        if self.span is None:
            if message == BULK:
                self.span = measure.Span()
            self.channel.send(message)
        elif message == END:
            measure.tell(bytes=self.count, **self.span.fields())
            self.channel.send(DONE)
            self.done.set()
        else:
            before, self.count = self.count, self.count + len(message)
            if before // CONFIRMED < self.count // CONFIRMED:
                self.channel.send(MORE)

    def take_answer(self, message):
        if message == MORE:
            self.confirmations.release()
        else:
            (self.done if message == DONE else self.heard).set()

    def echo(self, message):
        began = time.monotonic()
        self.heard.clear()
        self.channel.send(message)
        self.heard.wait(5)
        return time.monotonic() - began

    def ask(self, seconds):
        times, end = [], time.monotonic() + measure.ECHO_SECONDS
        while len(times) < measure.ECHOES and time.monotonic() < end:
            times.append(self.echo(bytes(measure.ECHO_BYTES)))
        self.echo(BULK)
        block, span, count = os.urandom(BLOCK), measure.Span(), 0
        while time.monotonic() < span.began + seconds:
            if count // CONFIRMED < (count + BLOCK) // CONFIRMED and not self.confirmations.acquire(timeout=20):
                sys.exit("the answerer stopped reading")
            self.channel.send(block)
            count += BLOCK
        self.channel.send(END)
        if not self.done.wait(60):
            sys.exit("the bulk did not arrive")
        measure.tell(**measure.round_trips(times), **span.fields())


role, folder, seconds = sys.argv[1], pathlib.Path(sys.argv[2]), float(sys.argv[3])
began = time.monotonic()
peer = Peer(role, folder)
if role == "ask":
    peer.ask(seconds)
else:
    peer.done.wait(90)
    time.sleep(0.3)
# Its threads are not waited for.
os._exit(0)
