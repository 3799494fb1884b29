"""Every promise of a session, on each store; and that the suite notices when one is broken."""

from __future__ import annotations

from pyramid_beakerish.testing import SessionSuite


class TestInMemory(SessionSuite):
    def settings(self, folder):
        return {"session.type": "memory"}


class TestInFiles(SessionSuite):
    def settings(self, folder):
        return {"session.type": "file", "session.data_dir": str(folder)}
