"""The messages of the sessions, and the file in which the peers find them.

Of each the file has the kind (t for text, b for binary), the length in four bytes, little-endian, and the content.
"""
import json
import random

COUNT = 10_000


def generate(seed):
    """Mostly short messages, most of them like JSON, and some of up to 70,000 bytes."""
    source = random.Random(seed)

    def like_json(size):
        text = ""
        while len(text) < size:
            tick = {"id": source.randrange(10**6), "symbol": source.choice(("EURUSD", "GBPJPY", "CHFSEK")),
                    "bid": source.randrange(10**5) / 1e4, "halted": source.random() < 0.1, "name": "Grüße, 世界"}
            text += json.dumps(tick, ensure_ascii=False)
        return text.encode()[:size].decode(errors="ignore")

    def of_a_block(size):
        blocks = ((0x20, 0x7F), (0xA0, 0x250), (0x400, 0x500), (0x4E00, 0xA000), (0x1F300, 0x1F600), (0, 0xD800),
                  (0x10000, 0x110000))
        start, end = source.choice(blocks)
        return "".join(chr(source.randrange(start, end)) for _ in range(size // 3))

    makers = (like_json, lambda size: like_json(size).encode(), source.randbytes, of_a_block, lambda _: "", lambda _: b"")
    sizes = (1, 63, 64, 125, 126, 127, 65_535, 65_536, 70_000)
    messages = [make(size) for size in sizes for make in makers]
    while len(messages) < COUNT:
        limit = source.choices((300, 4000, 70_000), (88, 10, 2))[0]
        messages.append(source.choices(makers, (60, 15, 8, 12, 3, 2))[0](source.randint(1, limit)))
    source.shuffle(messages)
    return messages


def content(message):
    return message.encode() if isinstance(message, str) else message


def write(messages, path):
    with open(path, "wb") as file:
        for message in messages:
            bytes = content(message)
            file.write((b"t" if isinstance(message, str) else b"b") + len(bytes).to_bytes(4, "little") + bytes)


def read(path):
    messages = []
    with open(path, "rb") as file:
        while kind := file.read(1):
            bytes = file.read(int.from_bytes(file.read(4), "little"))
            messages.append(bytes.decode() if kind == b"t" else bytes)
    return messages
