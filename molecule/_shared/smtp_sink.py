"""A mail server that keeps what it gets: smtp_sink.py [ADDRESS:]PORT FILE [USER PASSWORD]. Each mail is a line of JSON in FILE."""

import asyncio
import base64
import email
import email.policy
import json
import sys
import time

PLACE, FILE, *ACCOUNT = sys.argv[1:]


def keep(sender: str, to: list[str], raw: bytes) -> None:
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    part = mail.get_body(("plain", "html"))
    entry = {"at": time.time(), "from": sender, "to": to, "subject": mail["subject"], "body": part.get_content() if part else ""}
    with open(FILE, "a") as stream:
        stream.write(json.dumps(entry) + "\n")


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    def say(line: str) -> None:
        writer.write(f"{line}\r\n".encode())

    known, sender, to = not ACCOUNT, "", []
    say("220 sink")
    while line := (await reader.readline()).decode().strip():
        verb = line.split(" ")[0].upper()
        if verb == "EHLO":
            say("250-sink")
            if ACCOUNT:
                say("250-AUTH PLAIN")
            say("250 8BITMIME")
        elif verb == "AUTH":
            known = base64.b64decode(line.split(" ")[2]).split(b"\0")[1:] == [word.encode() for word in ACCOUNT]
            say("235 welcome" if known else "535 no")
        elif verb == "MAIL" and not known:
            say("530 who are you?")
        elif verb == "MAIL":
            sender, to = line.partition(":")[2].split()[0], []
            say("250 ok")
        elif verb == "RCPT":
            to.append(line.partition(":")[2].strip("<> "))
            say("250 ok")
        elif verb == "DATA":
            say("354 go on")
            lines = []
            while (part := await reader.readline()) != b".\r\n":
                lines.append(part.removeprefix(b"."))
            keep(sender, to, b"".join(lines))
            say("250 kept")
        elif verb == "QUIT":
            say("221 bye")
            break
        else:
            say("250 ok")
        await writer.drain()
    writer.close()


async def main() -> None:
    address, _, port = PLACE.rpartition(":")
    async with await asyncio.start_server(serve, address or "127.0.0.1", int(port)) as server:
        await server.serve_forever()


asyncio.run(main())
