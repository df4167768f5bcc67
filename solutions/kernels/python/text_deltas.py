"""text_deltas: the first byte of a character says how many bytes it has."""

from llaisys_mini import answer


@answer("text_deltas")
class TextDeltas:
    def __init__(self):
        ### BEGIN SOLUTION
        self.held = b""
        ### END SOLUTION

    def feed(self, data):
        ### BEGIN SOLUTION
        data = self.held + bytes(data)
        certain = len(data)
        for back in range(1, min(3, len(data)) + 1):
            byte = data[-back]
            if byte >= 0xC0:  # a character begins here
                size = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4 if byte < 0xF8 else 1
                if size > back:
                    certain = len(data) - back
                break
            if byte < 0x80:  # a whole character
                break
        self.held = data[certain:]
        return data[:certain].decode("utf-8", "replace")
        ### END SOLUTION

    def finish(self):
        ### BEGIN SOLUTION
        return self.held.decode("utf-8", "replace")
        ### END SOLUTION
