"""Any sequence of overlapping requests, crashes and time, compared with plain dictionaries."""

from __future__ import annotations

import tempfile
from itertools import count
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from pyramid_beakerish.stores.file.store import FileStore
from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.stores.sqlite.store import SqliteStore
from pyramid_beakerish.testing import FrozenClock
from pyramid_beakerish.testing.site import Site, WatchedStore
from tests.session_model import LOGIN, ModelRequest
from tests.session_requests import OpenRequest

# Many examples, of many requests each.
pytestmark = pytest.mark.timeout(400)


TIMEOUT = 3600
KEYS = st.sampled_from(["a", "b", "c"])
WHICH = st.integers(0, 1)
ACTIONS = st.sampled_from(
    [
        *("set", "set_same", "append", "delete", "modify", "flash", "pop_flash"),
        *("set", "append", "modify", "flash", "clear", "login", "logout"),
    ]
)
CRASHES = st.tuples(st.sampled_from(["create", "swap", "delete", "set"]), st.booleans())
TIMES = st.sampled_from([1, 25, 65, 65, 65, 2 * TIMEOUT])
START = st.tuples(st.just("start"), WHICH)
ACT = st.tuples(st.just("act"), WHICH, st.lists(st.tuples(ACTIONS, KEYS), min_size=1, max_size=4))
FINISH = st.tuples(st.just("finish"), WHICH)
CRASH = st.tuples(st.just("crash"), WHICH, CRASHES)
SHARE = st.tuples(st.just("share"), WHICH)
DOWN = st.tuples(st.just("store_is_down"), WHICH)
WAIT = st.tuples(st.just("wait"), TIMES)
RENEW = st.tuples(st.just("renew"), WHICH)
BIND = st.tuples(st.just("bind"), WHICH)
REVOKE = st.tuples(st.just("revoke"))
# Not one_of: that takes each kind once, however often it is named.
EVENTS = st.sampled_from(
    [
        *[*[START] * 6, *[ACT] * 8, *[FINISH] * 4, CRASH, SHARE, SHARE, DOWN, WAIT, WAIT],
        *[RENEW, RENEW, BIND, REVOKE],
    ]
).flatmap(lambda kind: kind)
NEEDS_REQUEST = ("act", "finish", "crash")


class SessionMachine(RuleBasedStateMachine):
    """Two windows, up to three requests under way; subclasses make the store.

    The model: ``stored`` are the contents of the sessions that live, by names of its own;
    ``jars`` is the name that each window's cookie stands for, whatever id is in it; ``bobs`` are
    the sessions that were bound to a user, and their handles; ``strays`` the handles of records
    whose ids nobody has.
    """

    @initialize()
    def begin(self):
        """Nobody has been here."""
        self.temporary = tempfile.TemporaryDirectory()
        self.clock = FrozenClock()
        self.store = WatchedStore(self.make_store(Path(self.temporary.name)))
        site = Site(self.store, self.clock, timeout=TIMEOUT)
        self.windows = [site.stranger(), site.stranger()]
        self.stranger = site.stranger
        # Its grace time outlives every session: what ends with it has tests of its own.
        options = {"renew_id_every": "1s", "rotation_grace": "30d"}
        self.renewing = Site(self.store, self.clock, timeout=TIMEOUT, **options)
        self.stored, self.jars, self.bobs, self.strays = {}, [None, None], {}, set()
        self.cookies = {}  # of every session that ever was, by name
        self.newest = {}  # the same, with the id that it has now
        self.open = []
        self.numbers = count(1)
        self.start(0)
        self.act(0, [("append", "a"), ("set", "b"), ("flash", "")])
        self.finish(0)
        self.share(0)

    def teardown(self):
        """End what is under way; no session that has ended opens again."""
        while self.open:
            self.finish(0)
        for name, cookies in self.cookies.items():
            assert self.stranger().keep(cookies).contents() == self.stored.get(name, {})
        self.store.close()
        self.temporary.cleanup()

    @rule(event=EVENTS)
    def happen(self, event):
        """Something happens. All in one rule: hypothesis leaves out many rules at a time."""
        name, *arguments = event
        if self.open or name not in NEEDS_REQUEST:
            getattr(self, name)(*arguments)

    def start(self, which):
        """A request begins, and loads the session of its window."""
        if len(self.open) == 3:
            return
        name = self.jars[which]
        stored = self.stored.get(name, {})
        model = ModelRequest(name if name in self.stored else None, stored, name is not None)
        self.open.append((OpenRequest(self.windows[which]), model, which))

    def act(self, which, actions):
        """A request works on its session, and sees what it has done beside what it has loaded."""
        request, model, _ = self.open[which % len(self.open)]
        for name, key in actions:
            getattr(self, name)(request, model, key)
        assert request.do(dict) == model.now
        assert request.do(lambda session: session.new) is (model.name is None)

    def set(self, request, model, key):
        """Assign a value that was never there before."""
        number = next(self.numbers)
        request.do(lambda session: session.update({key: number}))
        model.set(key, number)

    def set_same(self, request, model, key):
        """Assign what is there."""
        if key in model.now:
            request.do(lambda session: session.update({key: session[key]}))

    def append(self, request, model, key):
        """Change a list in place, or put one where there is none."""
        number, old = next(self.numbers), model.now.get(key)
        if isinstance(old, list):
            request.do(lambda session: session[key].append(number))
            model.set(key, [*old, number])
        else:
            request.do(lambda session: session.update({key: [number]}))
            model.set(key, [number])

    def delete(self, request, model, key):
        """Delete a key, if it is there."""
        assert request.do(lambda session: session.pop(key, None)) == model.now.get(key)
        model.delete(key)

    def modify(self, request, model, key):
        """Count up."""
        step = ord(key)
        model.count(step)
        seen = request.do(lambda session: session.modify("count", lambda n: n + step, 0))
        assert seen == model.now["count"]

    def flash(self, request, model, key):
        """Flash a message."""
        message = f"message {next(self.numbers)}"
        request.do(lambda session: session.flash(message))
        model.flash(message)

    def pop_flash(self, request, model, key):
        """Show all messages."""
        assert request.do(lambda session: session.pop_flash()) == model.pop_flash()

    def clear(self, request, model, key):
        """Remove everything."""
        request.do(lambda session: session.clear())
        model.clear()

    def login(self, request, model, key):
        """Have the session get a new id."""
        user = f"user {next(self.numbers)}"
        request.do(lambda session: session.update({LOGIN: user}))
        model.set(LOGIN, user)

    def logout(self, request, model, key):
        """End the session."""
        request.do(lambda session: session.invalidate())
        model.end()

    def finish(self, which):
        """A request ends, and what it has done is stored beside what others have done."""
        request, model, window = self.open.pop(which % len(self.open))
        assert request.finish() == 200
        self.save(model, window)
        self.hear(model, window)
        self.look(window)

    def crash(self, which, crash):
        """The store fails while a request is saved, before or after it has done its work."""
        request, model, window = self.open.pop(which % len(self.open))
        with self.store.failing(crash[0], after=crash[1]):
            status = request.finish()
        assert status in (200, 503)
        if status == 200:
            self.save(model, window)
        else:
            self.save_half(model, window, crash)
        self.hear(model, window)
        self.look(window)

    def hear(self, model, window):
        """A response tells the id once more of a session whose id another request has renewed."""
        if model.name in self.stored and self.windows[window].cookies == self.newest[model.name]:
            self.jars[window] = model.name

    def save(self, model, window):
        """Do in the model what a request does when it is saved."""
        if model.ended is not None:
            self.stored.pop(model.ended, None)
        if model.name is None:
            if model.changes():
                self.begin_session(window, model.applied_to({}))
            elif model.removes_cookie:
                self.jars[window] = None
        elif model.name in self.stored:
            contents = model.applied_to(self.stored[model.name])
            if model.rotated:
                del self.stored[model.name]
                self.begin_session(window, contents, self.bobs.get(model.name))
            else:
                self.stored[model.name] = contents

    def save_half(self, model, window, crash):
        """Do in the model what was done when the store failed; the cookie of an end is removed."""
        if model.ended is not None and crash != ("delete", False):
            self.stored.pop(model.ended, None)
        if model.removes_cookie and crash[0] != "delete":
            self.jars[window] = None
        if model.rotated:
            self.leave_stray(model.name, crash)
        elif model.name in self.stored and crash == ("swap", True):
            self.stored[model.name] = model.applied_to(self.stored[model.name])

    def leave_stray(self, name, crash):
        """Leave a record under a new id that nobody was told; perhaps without the old one."""
        lost = crash == ("delete", True) and name in self.stored and not self.opens(name)
        if name in self.bobs and (lost or crash in [("create", True), ("delete", False)]):
            self.strays.add(self.bobs[name])
        if lost:
            del self.stored[name]

    def opens(self, name):
        """Tell whether the cookie of a session opens it still."""
        return not self.stranger().keep(self.cookies[name]).use(lambda session: session.new)

    def begin_session(self, window, contents, handle=None):
        """Store contents under a name that nobody had, and put its cookie into the window."""
        name = self.jars[window] = next(self.numbers)
        self.stored[name] = contents
        self.cookies[name] = self.newest[name] = self.windows[window].cookies
        if handle is not None:
            self.bobs[name] = handle

    def look(self, which):
        """What a window's next request would find is what the model says."""
        assert self.windows[which].contents() == self.stored.get(self.jars[which], {})

    def share(self, which):
        """The other window gets this one's cookie."""
        if self.jars[which] is not None:
            self.windows[1 - which].keep(self.windows[which].cookies)
            self.jars[1 - which] = self.jars[which]

    def store_is_down(self, which):
        """A session that cannot be loaded is an error, and changes nothing."""
        if self.jars[which] is not None:
            with self.store.failing("load"):
                self.windows[which].use(dict)
            assert self.windows[which].response.status_code == 503

    def renew(self, which):
        """An id is renewed, and all windows are told; requests are under way with the old one."""
        self.clock.advance(1)
        browser = self.renewing.stranger().keep(self.windows[which].cookies)
        browser.use(dict)
        is_renewed = browser.cookies != self.windows[which].cookies
        assert is_renewed is (self.jars[which] in self.stored)
        if is_renewed:
            self.newest[self.jars[which]] = browser.cookies
            for window, name in zip(self.windows, self.jars, strict=True):
                if name == self.jars[which]:
                    window.keep(browser.cookies)
        self.look(which)

    def bind(self, which):
        """Bob logs in."""
        number, window = next(self.numbers), self.windows[which]

        def work(session):
            session["b"] = number
            session.bind_user("bob")

        before = self.jars[which]
        window.use(work)
        contents = {**self.stored.get(before, {}), "b": number}
        if before not in self.bobs or before not in self.stored:
            self.stored.pop(before, None)
            self.begin_session(which, contents, handle=number)
        self.stored[self.jars[which]] = contents

    def revoke(self):
        """All sessions of bob's are ended, and there are no others of his."""
        living = self.bobs.keys() & self.stored.keys()
        ended = self.stranger().use(self.end_all)
        assert ended == len({self.bobs[name] for name in living} | self.strays)
        self.strays.clear()
        for name in living:
            del self.stored[name]

    def end_all(self, session):
        """End all of bob's sessions and tell how many there were."""
        found = session.sessions_of("bob")
        found.end_all()
        return len(found)

    def wait(self, seconds):
        """Time passes; at last so much that all sessions end, those of requests under way too."""
        self.clock.advance(seconds)
        if seconds > TIMEOUT:
            self.stored.clear()
            self.strays.clear()


class InMemory(SessionMachine):
    def make_store(self, folder):
        return MemoryStore(self.clock)


class InFiles(SessionMachine):
    def make_store(self, folder):
        return FileStore(str(folder), clock=self.clock)


class InSqlite(SessionMachine):
    def make_store(self, folder):
        return SqliteStore(folder / "sessions.db", clock=self.clock)


# The same examples in each run: what a new one would find must not stop another change from
# landing. Take derandomize away to look for more, and phases for the shortest example: to look
# for it takes minutes.
SETTINGS = settings(
    max_examples=60,
    stateful_step_count=30,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
)
TestInMemory = InMemory.TestCase
TestInMemory.settings = SETTINGS
TestInFiles = InFiles.TestCase
TestInFiles.settings = settings(SETTINGS, max_examples=30)
TestInSqlite = InSqlite.TestCase
TestInSqlite.settings = settings(SETTINGS, max_examples=15)
