#!/usr/bin/env python3
"""Writes Tests/NoiseTests/Vectors/noise-hybrid.json.

    "$(scripts/python-env ratchet)" scripts/noise-hybrid-vectors.py

No package speaks hybrid handshakes as docs/protocol/session.md pins them. Noise is written here a second time, from that page and
revision 34 and not from the Swift code; patterns stand as lists of tokens, not made by a modifier. ML-KEM-768 is kyber-py's, the rest
of the cryptography PyPI's `cryptography`.

Every key, payload and the coins of each encapsulation are derived from the protocol's name, so the file comes out the same each time. The
format is cacophony's with four fields more:

    init_kem_seed          d ‖ z of the initiator's ephemeral ML-KEM key
    resp_kem_coins         m of the encapsulation; for implementations that can be given it
    resp_kem_ciphertext    what comes of it …
    resp_kem_shared        … for those that cannot
"""

import hashlib
import hmac
import json
import pathlib

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from kyber_py.ml_kem import ML_KEM_768

HASHES = {"BLAKE2b": hashlib.blake2b, "SHA256": hashlib.sha256, "SHA512": hashlib.sha512}
CIPHERS = {"ChaChaPoly": (ChaCha20Poly1305, "little"), "AESGCM": (AESGCM, "big")}

# Pre-messages of initiator and responder, then the messages, the initiator's first.
PATTERNS = {
    "NNhfs": ("", "", ["e e1", "e ee ekem1"]),
    "NKhfs": ("", "s", ["e es e1", "e ee ekem1"]),
    "XXhfs": ("", "", ["e e1", "e ee ekem1 s es", "s se"]),
    "XKhfs": ("", "s", ["e es e1", "e ee ekem1", "s se"]),
    "KKhfs": ("s", "s", ["e es e1 ss", "e ee ekem1 se"]),
    "IKhfs": ("", "s", ["e es e1 s ss", "e ee ekem1 se"]),
    "IXhfs": ("", "", ["e e1 s", "e ee ekem1 se s es"]),
    "NNhfs+psk0": ("", "", ["psk e e1", "e ee ekem1"]),
    "IKhfs+psk2": ("", "s", ["e es e1 s ss", "e ee ekem1 se psk"]),
}
SUITES = {"IKhfs": [(c, h) for c in CIPHERS for h in HASHES]}


def derive(name, label, length=32):
    return hashlib.shake_256(f"sotto noise vectors: {name}: {label}".encode()).digest(length)


def public(secret):
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def dh(secret, key):
    return X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(key))


class Symmetric:
    """CipherState and SymmetricState of one party."""

    def __init__(self, protocol, cipher, hash):
        self.make, self.order = CIPHERS[cipher]
        self.hash = HASHES[hash]
        name = protocol.encode()
        size = self.hash().digest_size
        self.h = name.ljust(size, b"\0") if len(name) <= size else self.hash(name).digest()
        self.ck, self.k, self.n = self.h, None, 0

    def hkdf(self, material, count):
        temp = hmac.new(self.ck, material, self.hash).digest()
        outputs, last = [], b""
        for index in range(count):
            last = hmac.new(temp, last + bytes([index + 1]), self.hash).digest()
            outputs.append(last)
        return outputs

    def mix_hash(self, data):
        self.h = self.hash(self.h + data).digest()

    def mix_key(self, material):
        self.ck, k = self.hkdf(material, 2)
        self.k, self.n = k[:32], 0

    def mix_key_and_hash(self, material):
        self.ck, h, k = self.hkdf(material, 3)
        self.mix_hash(h)
        self.k, self.n = k[:32], 0

    def nonce(self):
        self.n += 1
        return bytes(4) + (self.n - 1).to_bytes(8, self.order)

    def encrypt(self, plaintext):
        ciphertext = self.make(self.k).encrypt(self.nonce(), plaintext, self.h) if self.k else plaintext
        self.mix_hash(ciphertext)
        return ciphertext

    def decrypt(self, ciphertext):
        plaintext = self.make(self.k).decrypt(self.nonce(), ciphertext, self.h) if self.k else ciphertext
        self.mix_hash(ciphertext)
        return plaintext


class Party:
    def __init__(self, protocol, suite, side, has_psk):
        self.protocol, self.side, self.has_psk = protocol, side, has_psk
        self.symmetric = Symmetric(protocol, *suite)
        self.s = derive(protocol, side + " static")
        self.e = derive(protocol, side + " ephemeral")
        self.rs = self.re = self.e1 = self.re1 = None
        self.kem = {}

    def start(self, prologue, pre_messages, keys):
        self.symmetric.mix_hash(prologue)
        for tokens, key in zip(pre_messages, keys):
            if tokens == "s":
                self.symmetric.mix_hash(key)

    def ephemeral(self, key):
        self.symmetric.mix_hash(key)
        if self.has_psk:
            self.symmetric.mix_key(key)

    def silent(self, token, psk):
        """Tokens that put nothing into the message."""
        if token == "psk":
            return self.symmetric.mix_key_and_hash(psk)
        mine, theirs = token if self.side == "init" else token[::-1]
        secret = self.e if mine == "e" else self.s
        self.symmetric.mix_key(dh(secret, self.re if theirs == "e" else self.rs))

    def write(self, tokens, payload, psk):
        message = b""
        for token in tokens:
            if token == "e":
                message += public(self.e)
                self.ephemeral(public(self.e))
            elif token == "s":
                message += self.symmetric.encrypt(public(self.s))
            elif token == "e1":
                seed = derive(self.protocol, "kem seed", 64)
                self.kem["init_kem_seed"] = seed.hex()
                key, self.e1 = ML_KEM_768._keygen_internal(seed[:32], seed[32:])
                message += self.symmetric.encrypt(key)
            elif token == "ekem1":
                coins = derive(self.protocol, "kem coins")
                shared, ciphertext = ML_KEM_768._encaps_internal(self.re1, coins)
                self.kem["resp_kem_coins"] = coins.hex()
                self.kem["resp_kem_ciphertext"] = ciphertext.hex()
                self.kem["resp_kem_shared"] = shared.hex()
                message += self.symmetric.encrypt(ciphertext)
                self.symmetric.mix_key(shared)
            else:
                self.silent(token, psk)
        return message + self.symmetric.encrypt(payload)

    def read(self, tokens, message, psk):
        def take(length):
            nonlocal message
            field, message = message[:length], message[length:]
            return field

        def field(length):
            return self.symmetric.decrypt(take(length + (16 if self.symmetric.k else 0)))

        for token in tokens:
            if token == "e":
                self.re = take(32)
                self.ephemeral(self.re)
            elif token == "s":
                self.rs = field(32)
            elif token == "e1":
                self.re1 = field(1184)
            elif token == "ekem1":
                self.symmetric.mix_key(ML_KEM_768.decaps(self.e1, field(1088)))
            else:
                self.silent(token, psk)
        return self.symmetric.decrypt(message)


def vector(pattern, suite):
    protocol = "Noise_{}_25519+MLKEM768_{}_{}".format(pattern, *suite)
    initiator_pre, responder_pre, messages = PATTERNS[pattern]
    has_psk = "psk" in pattern
    psk = derive(protocol, "psk 0")
    prologue = derive(protocol, "prologue", derive(protocol, "prologue length", 1)[0] % 40)
    initiator, responder = (Party(protocol, suite, side, has_psk) for side in ("init", "resp"))
    shown = {"init": [initiator_pre, *messages[::2]], "resp": [responder_pre, *messages[1::2]]}
    out = {"protocol_name": protocol}
    for party, peer, pre in ((initiator, responder, responder_pre), (responder, initiator, initiator_pre)):
        out[party.side + "_prologue"] = prologue.hex()
        if has_psk:
            out[party.side + "_psks"] = [psk.hex()]
        if any("s" in tokens.split() for tokens in shown[party.side]):
            out[party.side + "_static"] = party.s.hex()
        out[party.side + "_ephemeral"] = party.e.hex()
        if pre == "s":
            party.rs = public(peer.s)
            out[party.side + "_remote_static"] = party.rs.hex()
        party.start(prologue, (initiator_pre, responder_pre), (public(initiator.s), public(responder.s)))

    written = []
    for index, tokens in enumerate(messages):
        sender, receiver = (initiator, responder) if index % 2 == 0 else (responder, initiator)
        payload = derive(protocol, f"payload {index}", derive(protocol, f"payload length {index}", 1)[0] % 48)
        message = sender.write(tokens.split(), payload, psk)
        assert receiver.read(tokens.split(), message, psk) == payload
        written.append({"payload": payload.hex(), "ciphertext": message.hex()})
        out.update(sender.kem)
    assert initiator.symmetric.h == responder.symmetric.h and initiator.symmetric.ck == responder.symmetric.ck
    out["handshake_hash"] = initiator.symmetric.h.hex()

    make, order = CIPHERS[suite[0]]
    keys = [make(key[:32]) for key in initiator.symmetric.hkdf(b"", 2)]
    counts = [0, 0]
    for index in range(len(messages), len(messages) + 4):
        way = index % 2
        payload = derive(protocol, f"payload {index}", derive(protocol, f"payload length {index}", 1)[0] % 48)
        sealed = keys[way].encrypt(bytes(4) + counts[way].to_bytes(8, order), payload, b"")
        counts[way] += 1
        written.append({"payload": payload.hex(), "ciphertext": sealed.hex()})
    out["messages"] = written
    return out


def main():
    vectors = [
        vector(pattern, suite) for pattern in PATTERNS for suite in SUITES.get(pattern, [("ChaChaPoly", "BLAKE2b")])
    ]
    path = pathlib.Path(__file__).resolve().parent.parent / "Tests/NoiseTests/Vectors/noise-hybrid.json"
    lines = ",\n".join(json.dumps(vector, separators=(",", ":")) for vector in vectors)
    path.write_text('{"vectors":[\n' + lines + "\n]}\n")
    print(f"{len(vectors)} vectors in {path}")


if __name__ == "__main__":
    main()
