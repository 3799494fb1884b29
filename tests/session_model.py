"""What sessions are to do, said as plainly as possible: the model of the state machine."""

from __future__ import annotations

from copy import deepcopy

FLASH = "_f_"
COUNT = "count"
LOGIN = "auth.userid"


class ModelRequest:
    """What one request sees of a session, and what it does to it.

    ``name`` is the session's, ``None`` if there is none yet; ``cookie`` tells whether a cookie
    was sent; ``seen`` is what was loaded.
    """

    def __init__(self, name, stored, cookie):
        self.name = name
        self.ended = None
        self.cookie, self.removes_cookie = cookie, False
        self._begin(stored)

    def _begin(self, stored):
        self.seen, self.now = deepcopy(stored), deepcopy(stored)
        self.counted, self.popped, self.flashed = 0, False, []
        self.removed, self.cleared, self.rotated = set(), False, False

    def set(self, key, value):
        """Assign a value; a login moves a stored session to a new name."""
        self.now[key] = value
        self.rotated |= key == LOGIN and self.name is not None

    def delete(self, key):
        """Remove a key, if it is there."""
        if key in self.now:
            del self.now[key]
            self.removed.add(key)

    def count(self, step):
        """Modify the counter."""
        self.now[COUNT] = self.now.get(COUNT, 0) + step
        self.counted += step

    def flash(self, message):
        """Add to the queue."""
        self.now[FLASH] = [*self.now.get(FLASH, []), message]
        self.flashed.append(message)

    def pop_flash(self):
        """Empty the queue."""
        self.popped = True
        self.flashed.clear()
        return self.now.pop(FLASH, [])

    def clear(self):
        """Remove everything, of others too."""
        self.now.clear()
        self.removed.update(self.seen)
        self.counted, self.flashed, self.cleared = 0, [], True

    def end(self):
        """Log out: the session is over, another one may begin."""
        self.ended = self.ended or self.name
        self.removes_cookie = self.cookie
        self.name = None
        self._begin({})

    def changes(self):
        """Tell whether there is anything to store."""
        return self.now != self.seen or self.rotated

    def applied_to(self, stored):
        """Give what is stored after this request, beside what others have stored meanwhile."""
        theirs = {} if self.cleared else deepcopy(stored)
        result = {key: value for key, value in theirs.items() if key not in self.removed}
        for key, value in self.now.items():
            if key not in (COUNT, FLASH) and value != self.seen.get(key):
                result[key] = value
        self._add_count(result, theirs)
        self._add_messages(result, theirs)
        return result

    def _add_count(self, result, theirs):
        if self.counted:
            result[COUNT] = theirs.get(COUNT, 0) + self.counted

    def _add_messages(self, result, theirs):
        seen, left = self.seen.get(FLASH, []), theirs.get(FLASH, [])
        # If somebody else has taken messages, all that is there counts as new: a message may be
        # shown twice then, but is never lost.
        if self.popped and left[: len(seen)] == seen:
            left = left[len(seen) :]
        result.pop(FLASH, None)
        if left or self.flashed:
            result[FLASH] = [*left, *self.flashed]
