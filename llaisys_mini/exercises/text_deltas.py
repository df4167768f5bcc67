"""text_deltas: text from bytes that arrive in pieces, without half characters."""

import codecs
from itertools import pairwise

from llaisys_mini.exercise import exercise
from llaisys_mini.trace import call_methods


@exercise
class text_deltas:
    """Turns the bytes of tokens, which arrive one after the other, into text. A character of UTF-8 has 1 to 4 bytes,
    and a token may end in the middle of one.

        feed(data)   takes in bytes (a list of whole numbers), returns the text that has become certain. A character
                     whose bytes are not all there yet is held back.
        finish()     no more bytes come; returns what was held back, as U+FFFD: its character never became complete

    All that is returned, put together, is what `bytes.decode("utf-8", "replace")` makes of all the bytes: bytes that
    can be no character become U+FFFD, at once.
    Source: RFC 3629; the Unicode standard, chapter 3.9.
    """

    def __init__(self):
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data):
        return self.decoder.decode(bytes(data))

    def finish(self):
        return self.decoder.decode(b"", True)


text_deltas.trace(call_methods)


@text_deltas.cases
def cases(rng):
    def inputs(*pieces):
        return dict(events=[*(("feed", list(piece)) for piece in pieces), ("finish",)])

    def cut(text, *places):
        data = text.encode()
        edges = [0, *places, len(data)]
        return inputs(*(data[a:b] for a, b in pairwise(edges)))

    yield "plain letters", cut("The fox", 3)
    yield "nothing", inputs()
    yield "a piece without bytes", inputs(b"a", b"", b"b")
    yield "whole characters of two bytes", cut("süß", 3)
    yield "an umlaut in two pieces", cut("süß", 2, 4)
    yield "Chinese, byte by byte", cut("你好", 1, 2, 3, 4, 5)
    yield "an emoji in two pieces", cut("A 🦊!", 4)
    yield "an emoji, byte by byte", cut("🦊", 1, 2, 3)
    yield "the end of one and the beginning of another", cut("é🦊é", 1, 4, 7)
    yield "text in front of half a character", cut("fox: 狐 fox", 6)
    yield "it ends in the middle of a character", inputs(b"fox ", "🦊".encode()[:3])
    yield "one byte of two, and no more", inputs(b"\xc3")
    yield "bytes that are no character", inputs(b"a\xff", b"b\xfe\xffc")
    yield "the middle of a character without its beginning", inputs(b"a\x8a", b"b")
    yield "a letter where the rest of a character should be", inputs(b"a\xe7\x8b", b"b", b"\xc3", b"(")
    yield "a character begins where the rest of another should be", inputs(b"\xe7\x8b", "é".encode(), b"\xf0\x9f", b"a")
    letters = list("aé狐🦊 zß你🙂\n")
    text = "".join(letters[int(i)] for i in rng.integers(len(letters), size=30))
    size = len(text.encode())
    yield "some text, cut anywhere", cut(text, *sorted(int(i) for i in rng.integers(1, size, size=20)))


@text_deltas.mistake("each piece is decoded by itself: a character that is cut in two becomes two U+FFFD")
class piece_by_piece(text_deltas.reference):
    def feed(self, data):
        return bytes(data).decode("utf-8", "replace")


@text_deltas.mistake("bytes that are no text yet are left out, and never come back")
class left_out(text_deltas.reference):
    def feed(self, data):
        return bytes(data).decode("utf-8", "ignore")


@text_deltas.mistake("everything is held back until all of it can be decoded: text waits for the character behind it")
class all_or_nothing(text_deltas.reference):
    def __init__(self):
        super().__init__()
        self.held = b""

    def feed(self, data):
        self.held += bytes(data)
        try:
            text = self.held.decode()
        except UnicodeDecodeError:
            return ""
        self.held = b""
        return text

    def finish(self):
        return self.held.decode("utf-8", "replace")


@text_deltas.mistake("what is held back at the end is thrown away")
class end_lost(text_deltas.reference):
    def finish(self):
        return ""


@text_deltas.mistake("a byte that can be no character is waited for for ever: no text comes any more")
class waits_for_ever(text_deltas.reference):
    def __init__(self):
        super().__init__()
        self.held = b""

    def feed(self, data):
        self.held += bytes(data)
        try:
            text, self.held = self.held.decode(), b""
        except UnicodeDecodeError as problem:
            text, self.held = self.held[: problem.start].decode(), self.held[problem.start :]
        return text

    def finish(self):
        return self.held.decode("utf-8", "replace")


@text_deltas.mistake("at least three bytes are always held back, also those of whole characters")
class holds_three(text_deltas.reference):
    def __init__(self):
        super().__init__()
        self.held = b""

    def feed(self, data):
        self.held += bytes(data)
        certain = max(0, len(self.held) - 3)
        given, self.held = self.held[:certain], self.held[certain:]
        return self.decoder.decode(given)

    def finish(self):
        return self.decoder.decode(self.held, True)


@text_deltas.mistake("all of the text so far is returned, not what is new")
class from_the_beginning(text_deltas.reference):
    def __init__(self):
        super().__init__()
        self.all = ""

    def feed(self, data):
        self.all += self.decoder.decode(bytes(data))
        return self.all
