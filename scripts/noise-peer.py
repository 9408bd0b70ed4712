#!/usr/bin/env python3
"""One side of Noise handshakes with the PyPI package noiseprotocol, driven by JSON lines on standard input.

    {"do":"start","name":…,"role":"initiator"|"responder","prologue":…,"s":…,"rs":…,"psks":[…]}
    {"do":"write"|"encrypt","data":…}   {"do":"read"|"decrypt","data":…}   {"do":"hash"}
    {"do":"rekey-out"}   {"do":"rekey-in"}

Each line is answered by {"data":…} or {"error":…}. All bytes are hexadecimal.
"""

import json
import sys

from noise.connection import Keypair, NoiseConnection


def start(command):
    connection = NoiseConnection.from_name(command["name"].encode())
    if command["psks"]:
        connection.set_psks(psks=[bytes.fromhex(psk) for psk in command["psks"]])
    connection.set_prologue(bytes.fromhex(command["prologue"]))
    if command["role"] == "initiator":
        connection.set_as_initiator()
    else:
        connection.set_as_responder()
    if command.get("s"):
        connection.set_keypair_from_private_bytes(Keypair.STATIC, bytes.fromhex(command["s"]))
    if command.get("rs"):
        connection.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, bytes.fromhex(command["rs"]))
    connection.start_handshake()
    return connection


ACTIONS = {
    "write": lambda connection, data: connection.write_message(data),
    "read": lambda connection, data: connection.read_message(data),
    "encrypt": lambda connection, data: connection.encrypt(data),
    "decrypt": lambda connection, data: connection.decrypt(data),
    "hash": lambda connection, _: connection.get_handshake_hash(),
    "rekey-out": lambda connection, _: connection.rekey_outbound_cipher(),
    "rekey-in": lambda connection, _: connection.rekey_inbound_cipher(),
}


def main():
    connection = None
    for line in sys.stdin:
        command = json.loads(line)
        try:
            result = b""
            if command["do"] == "start":
                connection = start(command)
            else:
                result = ACTIONS[command["do"]](connection, bytes.fromhex(command["data"])) or b""
            answer = {"data": bytes(result).hex()}
        except Exception as error:  # The other side decides what an error means.
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
