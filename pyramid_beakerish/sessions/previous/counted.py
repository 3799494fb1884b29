"""How many sessions of an earlier configuration were taken over, and the log lines about it."""

from __future__ import annotations

import logging
from itertools import count
from typing import TYPE_CHECKING

from ..events import SessionAdopted

if TYPE_CHECKING:
    from ..ids import Fingerprints

log = logging.getLogger(__name__)


class AdoptionCount:
    """Counts what this process has taken over, with a line in the log for each."""

    def __init__(self, fingerprint: Fingerprints) -> None:
        self._fingerprint = fingerprint
        self._numbers = count(1)

    def counted(self, name: str) -> SessionAdopted:
        """Count a session, named by its earlier id, and give the event that tells of it."""
        event = SessionAdopted(self._fingerprint(name), next(self._numbers))
        log.log(event.level, event.says.format(event))
        return event
