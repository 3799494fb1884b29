"""What a client has done and seen, and what it must see therefore.

All tabs of a client share one cookie; each request is noted when it begins and when it is answered,
so that what it may see is between what was surely done before it began and what may have been
done before it ended. A request without an answer may have been done, or not.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass
class Session:
    """One session of a client, from its login on, as the client knows it."""

    begun: float
    losses: int  # how often the store had lost everything by then
    lifetime: float | None = None
    added: int = 0  # increments that were answered
    tried: int = 0  # and those that were begun
    kept: dict[str, list[int]] = field(default_factory=dict)  # values by key: answered last, tried
    logout_tried: bool = False
    logout_answered: bool = False

    def may_be_over(self, now):
        """Tell whether its lifetime may have ended it."""
        return self.lifetime is not None and now >= self.begun + self.lifetime

    def is_over(self, then):
        """Tell whether its lifetime surely has; ``then`` is when a request began."""
        return self.lifetime is not None and then > self.begun + self.lifetime + SLACK


#: Seconds by which a session may outlive its lifetime: clocks of servers count whole ones.
SLACK = 3.0


@dataclass(frozen=True)
class Expectation:
    """What a request that begins now may find."""

    session: Session
    owner: str
    least: int
    kept: dict[str, int]
    ended: bool
    began: float


class History:
    """The history of one client; ``owner`` is its name, ``losses`` counts what a store may lose."""

    def __init__(self, owner, losses):
        self.owner = owner
        self.violations = []
        self._losses = losses
        self._lock = threading.Lock()

    def expect(self, session, now):
        """Note what a request that begins now must find at least."""
        with self._lock:
            kept = {key: values[0] for key, values in session.kept.items()}
            over = session.logout_answered or session.is_over(now)
            return Expectation(session, self.owner, session.added, kept, over, now)

    def check(self, expected, found, now):
        """Compare what a request has found with what it may find."""
        session = expected.session
        lossless = self._losses() == session.losses
        with self._lock:
            if "owner" in found and found["owner"] != self.owner:
                self._violated(f"saw the session of {found['owner']}")
            elif found and expected.ended:
                self._violated("a session that had ended was there again")
            elif found and lossless:
                self._check_contents(expected, found)
            elif lossless and not (session.logout_tried or session.may_be_over(now)):
                self._violated("a session was lost")

    def _check_contents(self, expected, found):
        session = expected.session
        if not expected.least <= found.get("n", 0) <= session.tried:
            self._violated(
                f"counted {found.get('n', 0)}: {expected.least} answered, {session.tried} tried"
            )
        for key, least in expected.kept.items():
            # Each tab counts its own key up: what is found is the last one answered, or later.
            if not least <= found.get(key, -1) <= session.kept[key][1]:
                self._violated(f"{key} was {found.get(key)}: {least} had been answered")

    def _violated(self, what):
        self.violations.append(f"{self.owner}: {what}")
