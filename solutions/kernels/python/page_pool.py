"""page_pool: an ordered dictionary is the queue, so that a page can leave it from any place at once."""

from collections import OrderedDict

from llaisys_mini import answer


@answer("page_pool")
class PagePool:
    def __init__(self, pages):
        ### BEGIN SOLUTION
        self.queue = OrderedDict.fromkeys(range(pages))  # pages that nobody uses
        self.users = {}  # page -> how many texts use it
        self.page_of = {}  # key -> page
        self.key_of = {}  # page -> key
        ### END SOLUTION

    def take(self):
        ### BEGIN SOLUTION
        if not self.queue:
            return None
        page, _ = self.queue.popitem(last=False)
        if page in self.key_of:
            del self.page_of[self.key_of.pop(page)]
        self.users[page] = 1
        return page
        ### END SOLUTION

    def share(self, pages):
        ### BEGIN SOLUTION
        for page in pages:
            self.queue.pop(page, None)
            self.users[page] = self.users.get(page, 0) + 1
        ### END SOLUTION

    def release(self, pages):
        ### BEGIN SOLUTION
        for page in reversed(pages):
            self.users[page] -= 1
            if self.users[page] == 0:
                del self.users[page]
                self.queue[page] = None
        ### END SOLUTION

    def publish(self, page, key):
        ### BEGIN SOLUTION
        if key not in self.page_of:
            self.page_of[key] = page
            self.key_of[page] = key
        ### END SOLUTION

    def find(self, keys):
        ### BEGIN SOLUTION
        found = []
        for key in keys:
            if key not in self.page_of:
                break
            found.append(self.page_of[key])
        return found
        ### END SOLUTION
