#!/usr/bin/env python3
"""Writes Tests/RatchetTests/Vectors/ratchet.json.

    "$(scripts/python-env ratchet)" scripts/ratchet-vectors.py

Three independent packages of PyPI do what they can:

- x3dh: the key agreement without the post-quantum secret ("x3dh").
- doubleratchet: DH ratchet, root chain, sending and receiving chains ("conversations").
- kyber-py: ML-KEM-768; PyNaCl: signatures, XChaCha20-Poly1305; cryptography: HKDF, X25519.

None of them has PQXDH, header encryption or our layouts. Those are written here a second time, from
docs/protocol/ratchet.md and not from the Swift code.

Every secret is derived from a label, so the file comes out the same each time.
"""

import asyncio
import hashlib
import json
import pathlib
import random
import struct
import types

import doubleratchet
import x3dh
import x3dh.base_state
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from doubleratchet.recommended import HashFunction, kdf_hkdf
from doubleratchet.recommended import diffie_hellman_ratchet_curve25519 as curve
from kyber_py.ml_kem import ML_KEM_768
from nacl import bindings as sodium

PQXDH_INFO = b"sotto-pqxdh/1_CURVE25519_SHA-512_ML-KEM-768"
ROOT_INFO = b"sotto-ratchet/1 root"
CHAIN_INFO = b"sotto-ratchet/1 chain"
AD_LABEL = b"sotto-ratchet/1"
PREKEY_LABEL = b"sotto-prekey/1"


def derive(label, length=32):
    return hashlib.shake_256(f"sotto ratchet vectors: {label}".encode()).digest(length)


def hkdf(salt, material, info, length):
    return HKDF(algorithm=SHA512(), length=length, salt=salt, info=info).derive(material)


def split(data):
    return [data[i : i + 32] for i in range(0, len(data), 32)]


def x25519_public(secret):
    return sodium.crypto_scalarmult_base(secret)


# --- X3DH: the package alone ------------------------------------------------------------------------------------------


class X3DHState(x3dh.BaseState):
    @staticmethod
    def _encode_public_key(key_format, pub):
        return pub


def fixed_secrets(*values):
    """Stands for the module `secrets` in x3dh.base_state: random bytes are the next of `values`."""
    queue = list(values)
    return types.SimpleNamespace(token_bytes=lambda length: queue.pop(0), choice=lambda options: options[0])


async def x3dh_vector(name, with_one_time):
    def secret(what):
        return derive(f"x3dh {name} {what}")

    def state(*values):
        x3dh.base_state.secrets = fixed_secrets(*values)
        return X3DHState.create(
            x3dh.IdentityKeyFormat.ED_25519,
            x3dh.HashFunction.SHA_512,
            PQXDH_INFO,
            x3dh.identity_key_pair.IdentityKeyPairSeed(values_seed.pop(0)),
        )

    values_seed = [secret("initiator"), secret("responder")]
    initiator = state(secret("initiator signed prekey"))
    responder = state(secret("signed prekey"), secret("one-time prekey"))
    if with_one_time:
        responder.generate_pre_keys(1)
    x3dh.base_state.secrets = fixed_secrets(secret("ephemeral"))
    shared, _, header = await initiator.get_shared_secret_active(responder.bundle, require_pre_key=False)
    again, _, _ = await responder.get_shared_secret_passive(header, require_pre_key=False)
    assert shared == again
    return {
        "initiatorSeed": secret("initiator").hex(),
        "responderSeed": secret("responder").hex(),
        "signedPrekey": secret("signed prekey").hex(),
        "oneTimePrekey": secret("one-time prekey").hex() if with_one_time else None,
        "ephemeral": secret("ephemeral").hex(),
        "sharedSecret": shared.hex(),
    }


# --- Identities and prekeys -------------------------------------------------------------------------------------------


class Identity:
    def __init__(self, seed):
        self.seed = seed
        self.peer_id, self.signing_key = sodium.crypto_sign_seed_keypair(seed)
        self.dh_secret = sodium.crypto_sign_ed25519_sk_to_curve25519(self.signing_key)
        self.dh_public = sodium.crypto_sign_ed25519_pk_to_curve25519(self.peer_id)

    def sign(self, message):
        return sodium.crypto_sign(message, self.signing_key)[:64]


class Prekey:
    def __init__(self, label, kind, number, time, owner):
        self.kind, self.number, self.time = kind, number, time
        self.dh_secret, self.kem_seed = derive(label + " dh"), derive(label + " kem", 64)
        self.dh_public = x25519_public(self.dh_secret)
        self.kem_public, self.kem_secret = ML_KEM_768.key_derive(self.kem_seed)
        body = struct.pack(">IQ", number, time) + self.dh_public + self.kem_public
        self.record = body + owner.sign(PREKEY_LABEL + bytes([kind]) + body)

    def vector(self):
        return {
            "id": self.number,
            "time": self.time,
            "dhSecret": self.dh_secret.hex(),
            "kemSeed": self.kem_seed.hex(),
            "record": self.record.hex(),
        }


# --- PQXDH ------------------------------------------------------------------------------------------------------------


def pqxdh_initiate(identity, peer, signed, one_time, ephemeral, randomness):
    kem_secret, kem_ciphertext = ML_KEM_768._encaps_internal((one_time or signed).kem_public, randomness)
    shared = [
        sodium.crypto_scalarmult(identity.dh_secret, signed.dh_public),
        sodium.crypto_scalarmult(ephemeral, peer.dh_public),
        sodium.crypto_scalarmult(ephemeral, signed.dh_public),
    ]
    if one_time:
        shared.append(sodium.crypto_scalarmult(ephemeral, one_time.dh_public))
    keys = split(hkdf(bytes(64), b"\xff" * 32 + b"".join(shared) + kem_secret, PQXDH_INFO, 96))
    prefix = x25519_public(ephemeral) + struct.pack(">II", signed.number, one_time.number if one_time else 0)
    return keys, prefix + kem_ciphertext, kem_secret


def pqxdh_respond(identity, peer, signed, one_time, prefix):
    ephemeral = prefix[:32]
    kem_secret = ML_KEM_768.decaps((one_time or signed).kem_secret, prefix[40:])
    shared = [
        sodium.crypto_scalarmult(signed.dh_secret, peer.dh_public),
        sodium.crypto_scalarmult(identity.dh_secret, ephemeral),
        sodium.crypto_scalarmult(signed.dh_secret, ephemeral),
    ]
    if one_time:
        shared.append(sodium.crypto_scalarmult(one_time.dh_secret, ephemeral))
    return split(hkdf(bytes(64), b"\xff" * 32 + b"".join(shared) + kem_secret, PQXDH_INFO, 96))


# --- Header encryption around the package's ratchet -------------------------------------------------------------------


class ChainKDF(kdf_hkdf.KDF):
    @staticmethod
    def _get_hash_function():
        return HashFunction.SHA_512

    @staticmethod
    def _get_info():
        return CHAIN_INFO


def party_classes():
    """A root KDF that notes the next header key, the third 32 bytes of its output, and a DH ratchet with known keys."""
    header_keys, secrets = [], []

    class RootKDF(ChainKDF):
        @staticmethod
        def _get_info():
            return ROOT_INFO

        @classmethod
        async def derive(cls, key, data, length):
            output = await super().derive(key, data, length + 32)
            header_keys.append(output[length:])
            return output[:length]

    class DHRatchet(curve.DiffieHellmanRatchet):
        @staticmethod
        def _generate_priv():
            return secrets.pop(0)

    return RootKDF, DHRatchet, header_keys, secrets


def seal(plaintext, key, nonce, ad):
    return sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, ad, nonce, key)


def unseal(ciphertext, key, nonce, ad):
    try:
        return sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(ciphertext, ad, nonce, key)
    except Exception:
        return None


class Party:
    def __init__(self, name):
        self.name, self.counter = name, 0
        self.root_kdf, self.ratchet_class, self.header_keys, self.secrets = party_classes()
        self.ratchet, self.skipped = None, {}
        self.sending, self.receiving, self.next_sending, self.next_receiving = None, None, None, None

    async def create(self, own_secret, remote, root):
        return await self.ratchet_class.create(own_secret, remote, self.root_kdf, root, ChainKDF, b"\x01", 2000)

    async def start(self, keys, remote, secret, ad, prefix):
        root, self.sending, self.next_receiving = keys
        self.secrets.append(secret)
        self.ratchet = await self.create(None, remote, root)
        self.next_sending = self.header_keys.pop(0)
        self.ad, self.prefix = ad, prefix

    def wait(self, keys, own_secret, ad):
        self.root, self.next_receiving, self.next_sending = keys
        self.own_secret, self.ad, self.prefix = own_secret, ad, None

    async def send(self, plaintext, nonce):
        key, header = await self.ratchet.next_encryption_key()
        kind = b"\x01" if self.prefix else b"\x02"
        fields = header.ratchet_pub + struct.pack(
            ">II", header.previous_sending_chain_length, header.sending_chain_length
        )
        sealed_header = seal(fields, self.sending, nonce, self.ad + kind)
        body = seal(plaintext, key, nonce, self.ad + kind + nonce + sealed_header)
        return kind + (self.prefix or b"") + nonce + sealed_header + body

    async def receive(self, message):
        """The plaintext and the random bytes that were needed."""
        kind, rest = message[:1], message[1:]
        if kind == b"\x01":
            rest = rest[1128:]
        nonce, sealed_header, body = rest[:24], rest[24:80], rest[80:]
        ad, entropy, key = self.ad + kind, b"", None
        for header_key, number in self.skipped:
            fields = unseal(sealed_header, header_key, nonce, ad)
            if fields and struct.unpack(">I", fields[36:])[0] == number:
                key = self.skipped.pop((header_key, number))
                break
        if key is None:
            fields = self.receiving and unseal(sealed_header, self.receiving, nonce, ad)
            steps = not fields
            fields = fields or unseal(sealed_header, self.next_receiving, nonce, ad)
            header = doubleratchet.Header(fields[:32], *struct.unpack(">II", fields[32:]))
            former = self.receiving
            if steps:
                entropy = derive(f"{self.name} ratchet {self.counter}")
                self.counter += 1
                self.secrets.append(entropy)
                if self.ratchet is None:
                    self.ratchet = await self.create(self.own_secret, header.ratchet_pub, self.root)
            key, skipped = await self.ratchet.next_decryption_key(header)
            if steps:
                self.receiving, self.next_receiving = self.next_receiving, self.header_keys.pop(0)
                self.sending, self.next_sending = self.next_sending, self.header_keys.pop(0)
            for (ratchet_pub, number), skipped_key in skipped.items():
                chain = self.receiving if ratchet_pub == header.ratchet_pub else former
                self.skipped[(chain, number)] = skipped_key
        self.prefix = None
        return unseal(body, key, nonce, ad + nonce + sealed_header), entropy


# --- Conversations ----------------------------------------------------------------------------------------------------


async def conversation(name, with_one_time, messages):
    alice, bob = Identity(derive(name + " initiator")), Identity(derive(name + " responder"))
    time = 1_700_000_000_000
    signed = Prekey(name + " signed", 1, 0x01020304, time, bob)
    one_time = Prekey(name + " one-time", 2, 0xFFFFFFFE, time + 1, bob) if with_one_time else None
    ephemeral, first = derive(name + " ephemeral"), derive(name + " first ratchet")
    keys, prefix, kem_secret = pqxdh_initiate(alice, bob, signed, one_time, ephemeral, derive(name + " kem"))
    assert keys == pqxdh_respond(bob, alice, signed, one_time, prefix)
    session = hashlib.blake2b(prefix, digest_size=32).digest()
    ad = AD_LABEL + alice.peer_id + bob.peer_id + session

    parties = {"initiator": Party(name + " initiator"), "responder": Party(name + " responder")}
    await parties["initiator"].start(keys, signed.dh_public, first, ad, prefix)
    parties["responder"].wait(keys, signed.dh_secret, ad)

    # Messages wait in a bag and are delivered in any order; both sides skip keys in this chain and in earlier ones.
    choose, events, waiting, sent = random.Random(name), [], [], 0
    while sent < messages or waiting:
        senders = [n for n in parties if parties[n].ratchet] if sent < messages else []
        if senders and (not waiting or choose.random() < 0.55):
            sender = choose.choice(senders)
            plaintext = derive(f"{name} text {sent}", choose.randrange(0, 40))
            nonce = derive(f"{name} nonce {sent}", 24)
            ciphertext = await parties[sender].send(plaintext, nonce)
            waiting.append((sent, sender, plaintext, ciphertext))
            events.append({
                "by": sender, "sends": sent, "entropy": nonce.hex(), "plaintext": plaintext.hex(),
                "ciphertext": ciphertext.hex(),
            })  # fmt: skip
            sent += 1
        else:
            number, sender, plaintext, ciphertext = waiting.pop(choose.randrange(len(waiting)))
            receiver = "responder" if sender == "initiator" else "initiator"
            received, entropy = await parties[receiver].receive(ciphertext)
            assert received == plaintext
            events.append({"by": receiver, "receives": number, "entropy": entropy.hex()})
    assert not any(party.skipped for party in parties.values())
    return {
        "initiatorSeed": alice.seed.hex(),
        "responderSeed": bob.seed.hex(),
        "signedPrekey": signed.vector(),
        "oneTimePrekey": one_time.vector() if one_time else None,
        "ephemeral": ephemeral.hex(),
        "kemSecret": kem_secret.hex(),
        "kemCiphertext": prefix[40:].hex(),
        "secrets": [key.hex() for key in keys],
        "session": session.hex(),
        "firstRatchetKey": first.hex(),
        "events": events,
    }


async def main():
    vectors = {
        "x3dh": [await x3dh_vector("without", False), await x3dh_vector("with", True)],
        "conversations": [await conversation("without", False, 24), await conversation("with", True, 8)],
    }
    path = pathlib.Path(__file__).resolve().parent.parent / "Tests/RatchetTests/Vectors/ratchet.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(vectors, indent=1) + "\n")
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    asyncio.run(main())
