#!/usr/bin/env python3
"""Writes Tests/NoiseTests/Vectors/noise.json with the PyPI package dissononce.

    "$(scripts/python-env)" scripts/noise-vectors.py

Every key and payload is derived from the protocol's name, so the file comes out the same each time. The format is
cacophony's, one vector a line; fallback patterns need one field more, resp_remote_ephemeral, and begin with a message
of the responder.
"""

import hashlib
import json
import pathlib

from dissononce.cipher.aesgcm import AESGCMCipher
from dissononce.cipher.chachapoly import ChaChaPolyCipher
from dissononce.dh.private import PrivateKey
from dissononce.dh.x25519.x25519 import X25519DH
from dissononce.extras.dh.dangerous.dh_nogen import NoGenDH
from dissononce.extras.meta.pattern.factory import PatternFactory
from dissononce.hash.blake2b import Blake2bHash
from dissononce.hash.sha256 import SHA256Hash
from dissononce.hash.sha512 import SHA512Hash
from dissononce.processing.impl.cipherstate import CipherState
from dissononce.processing.impl.handshakestate import HandshakeState
from dissononce.processing.impl.symmetricstate import SymmetricState
from dissononce.processing.modifiers.fallback import FallbackPatternModifier
from dissononce.processing.modifiers.psk import PSKPatternModifier

CIPHERS = {"ChaChaPoly": ChaChaPolyCipher, "AESGCM": AESGCMCipher}
HASHES = {"BLAKE2b": Blake2bHash, "SHA256": SHA256Hash, "SHA512": SHA512Hash}
SUITES = [(cipher, hash) for cipher in CIPHERS for hash in HASHES]
ONE_WAY = ["N", "K", "X"]
INTERACTIVE = ["NN", "KN", "NK", "KK", "NX", "KX", "XN", "IN", "XK", "IK", "XX", "IX"]
DEFERRED = """NK1 NX1 X1N X1K XK1 X1K1 X1X XX1 X1X1 K1N K1K KK1 K1K1 K1X KX1 K1X1
I1N I1K IK1 I1K1 I1X IX1 I1X1""".split()
# What Sotto itself speaks, and a mixture: with every cipher and hash.
THOROUGH = ["IK", "X", "NNpsk0", "XXpsk0+psk3", "XXfallback"]


def derive(name, label, length=32):
    return hashlib.shake_256(f"sotto noise vectors: {name}: {label}".encode()).digest(length)


def pattern_names():
    yield from ONE_WAY + INTERACTIVE + DEFERRED
    for name in ONE_WAY + INTERACTIVE:
        messages = len(PatternFactory().get_pattern(name).message_patterns)
        for position in range(messages + 1):
            yield f"{name}psk{position}"
        if messages > 1:
            yield f"{name}psk0+psk{messages}"
    for name in ["NN", "NX", "XN", "XX", "IN", "IX"]:
        yield f"{name}fallback"


def modifierless(name):
    return name[: next((i for i, c in enumerate(name) if c.islower()), len(name))]


def parse(name):
    base = modifierless(name)
    pattern = PatternFactory().get_pattern(base)
    modifiers = name[len(base) :].split("+") if name != base else []
    for modifier in modifiers:
        is_fallback = modifier == "fallback"
        pattern = (FallbackPatternModifier() if is_fallback else PSKPatternModifier(int(modifier[3:]))).modify(pattern)
    return pattern, modifiers


class Party:
    def __init__(self, name, suite, side):
        self.dh = X25519DH()
        self.name, self.suite, self.side = name, suite, side
        self.s = self.dh.generate_keypair(PrivateKey(derive(name, side + " static")))
        self.e = self.dh.generate_keypair(PrivateKey(derive(name, side + " ephemeral")))

    def start(self, pattern, prologue, needs_static, e, rs, re, psks):
        cipher, hash = self.suite
        symmetric = SymmetricState(CipherState(CIPHERS[cipher]()), HASHES[hash]())
        self.state = HandshakeState(symmetric, NoGenDH(self.dh, self.e.private))
        s = self.s if needs_static else None
        self.state.initialize(pattern, self.side == "init", prologue, s=s, e=e, rs=rs, re=re, psks=psks)


def vector(name, suite):
    protocol = "Noise_{}_25519_{}_{}".format(name, *suite)
    pattern, modifiers = parse(name)
    fallback, one_way = "fallback" in modifiers, modifierless(name) in ONE_WAY
    initiator, responder = Party(protocol, suite, "init"), Party(protocol, suite, "resp")
    senders = [responder, initiator] if fallback else [initiator, responder]
    prologue = derive(protocol, "prologue", derive(protocol, "prologue length", 1)[0] % 40)
    psks = [derive(protocol, f"psk {i}") for i in range(sum(m.startswith("psk") for m in modifiers))]
    known = {initiator: pattern.initiator_pre_message_pattern, responder: pattern.responder_pre_message_pattern}

    out = {"protocol_name": protocol}
    sends_static = {
        party: any("s" in tokens for tokens in pattern.message_patterns[senders.index(party) :: 2])
        for party in senders
    }
    for party, peer in ((initiator, responder), (responder, initiator)):
        needs_static = "s" in known[party] or sends_static[party]
        rs = peer.s.public if "s" in known[peer] else None
        re = peer.e.public if "e" in known[peer] else None
        party.start(pattern, prologue, needs_static, party.e if "e" in known[party] else None, rs, re, psks)
        out[party.side + "_prologue"] = prologue.hex()
        if psks:
            out[party.side + "_psks"] = [psk.hex() for psk in psks]
        if needs_static:
            out[party.side + "_static"] = party.s.private.data.hex()
        if not (one_way and party is responder):
            out[party.side + "_ephemeral"] = party.e.private.data.hex()
        if rs:
            out[party.side + "_remote_static"] = rs.data.hex()
        if re:
            out[party.side + "_remote_ephemeral"] = re.data.hex()

    messages, ciphers = [], {}
    for index in range(len(pattern.message_patterns) + 4):
        sender = initiator if one_way else senders[index % 2]
        receiver = responder if sender is initiator else initiator
        payload = derive(protocol, f"payload {index}", derive(protocol, f"payload length {index}", 1)[0] % 48)
        if index < len(pattern.message_patterns):
            written, read = bytearray(), bytearray()
            ciphers[sender] = sender.state.write_message(payload, written)
            ciphers[receiver] = receiver.state.read_message(bytes(written), read)
        else:
            way = 0 if sender is initiator else 1
            written = ciphers[sender][way].encrypt_with_ad(b"", payload)
            read = ciphers[receiver][way].decrypt_with_ad(b"", bytes(written))
        assert bytes(read) == payload
        messages.append({"payload": payload.hex(), "ciphertext": bytes(written).hex()})
        if index + 1 == len(pattern.message_patterns):
            hashes = {party.state.symmetricstate.get_handshake_hash() for party in senders}
            assert len(hashes) == 1
            out["handshake_hash"] = hashes.pop().hex()
    out["messages"] = messages
    return out


def main():
    vectors = []
    for index, name in enumerate(dict.fromkeys(pattern_names())):
        suites = SUITES if name in THOROUGH else [SUITES[0], SUITES[1 + index % 5]]
        vectors += [vector(name, suite) for suite in suites]
    path = pathlib.Path(__file__).resolve().parent.parent / "Tests/NoiseTests/Vectors/noise.json"
    path.parent.mkdir(exist_ok=True)
    lines = ",\n".join(json.dumps(item, separators=(",", ":")) for item in vectors)
    path.write_text('{"vectors":[\n' + lines + "\n]}\n")
    print(f"{path}: {len(vectors)} vectors")


if __name__ == "__main__":
    main()
