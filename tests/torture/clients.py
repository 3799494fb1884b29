"""Clients: each has a few tabs, which share a cookie and do things at random."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from urllib.parse import urlencode

from .history import History, Session

HOST = "127.0.0.1"
#: Seconds after which a client gives a request up; no request takes so long.
PATIENCE = 10.0


class NoAnswer(Exception):
    """A request failed, or its answer never came."""


class Client:
    """A visitor with several tabs. ``ports`` are the servers', ``losses`` counts the store's."""

    def __init__(self, name, ports, losses, seed):
        self.history = History(name, losses)
        self.requests = self.failures = 0
        self.slowest = 0.0
        self._name = name
        self._ports = ports
        self._losses = losses
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._logging_in = threading.Lock()
        self._jar = None, None  # the cookie, and the session that it opens
        self._ended = []  # cookies that must open nothing any more, with what they opened

    def run(self, tab, until):
        """Use the site until then."""
        while time.monotonic() < until:
            try:
                self._act(tab)
            except NoAnswer:
                time.sleep(0.02)  # a person would not hammer either

    def check_at_the_end(self):
        """Look at the session once more, when everything works."""
        cookie, session = self._jar
        if session is not None:
            self._request("read", cookie, session)
        for cookie, session in list(self._ended):
            self._request("read", cookie, session)

    def _act(self, tab):
        cookie, session = self._jar
        if session is None:
            self._login(tab)
            return
        act = self._random.choices(
            ["add", "put", "read", "old", "logout"], weights=[30, 25, 30, 5, 2]
        )[0]
        getattr(self, f"_{act}")(tab, cookie, session)

    def _login(self, tab):
        if not self._logging_in.acquire(blocking=False):  # another tab is at it
            time.sleep(0.005)
            return
        try:
            if self._jar[1] is None:
                lifetime = self._random.choice([None, None, 1.0])
                more = {} if lifetime is None else {"lifetime": lifetime}
                session = Session(time.time(), self._losses(), lifetime)
                cookie = self._send("login", None, owner=self._name, **more)[1]
                self._jar = cookie, session
        finally:
            self._logging_in.release()

    def _add(self, tab, cookie, session):
        with self._lock:
            session.tried += 1
        found = self._request("add", cookie, session)
        with self._lock:
            session.added += bool(found)

    def _put(self, tab, cookie, session):
        with self._lock:
            values = session.kept.setdefault(tab, [-1, -1])
            values[1] += 1
            value = values[1]
        found = self._request("put", cookie, session, key=tab, value=value)
        with self._lock:
            values[0] = value if found else values[0]

    def _read(self, tab, cookie, session):
        self._request("read", cookie, session)

    def _old(self, tab, cookie, session):
        """Try a cookie from before a logout, or of a session that is over."""
        if self._ended:
            self._request("read", *self._random.choice(self._ended))

    def _logout(self, tab, cookie, session):
        with self._lock:
            session.logout_tried = True
            self._forget(session, cookie)
        self._send("logout", cookie)
        session.logout_answered = True

    def _forget(self, session, cookie):
        if self._jar[1] is session:
            self._jar = None, None
            self._ended.append((cookie, session))

    def _request(self, page, cookie, session, **params):
        """Send a request of a session; check what it found, and give it."""
        expected = self.history.expect(session, time.time())
        answer, _ = self._send(page, cookie, **params)
        self.history.check(expected, answer["before"], time.time())
        if not answer["before"]:  # it is over: the next one begins with a login
            with self._lock:
                self._forget(session, cookie)
        return answer["before"]

    def _send(self, page, cookie, **params):
        with self._lock:
            self.requests += 1
            port = self._random.choice(self._ports)
        began = time.monotonic()
        try:
            return self._exchange(port, f"/{page}?{urlencode(params)}", cookie)
        except (OSError, http.client.HTTPException) as error:
            self.failures += 1
            raise NoAnswer from error
        finally:
            self.slowest = max(self.slowest, time.monotonic() - began)

    def _exchange(self, port, path, cookie):
        connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)
        try:
            connection.request("GET", path, headers={"Cookie": cookie} if cookie else {})
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                raise http.client.HTTPException(response.status)
            sent = response.getheader("Set-Cookie")
            return json.loads(body), sent and sent.partition(";")[0]
        finally:
            connection.close()
