"""Transactional sessions keep every promise of a session, where each request is committed."""

from __future__ import annotations

import pytest

from pyramid_beakerish.testing.session_contents import ContentsSuite
from pyramid_beakerish.testing.session_identity import IdentitySuite
from pyramid_beakerish.testing.session_interface import InterfaceSuite
from pyramid_beakerish.testing.session_times import TimesSuite
from pyramid_beakerish.testing.site import Site
from pyramid_beakerish.transaction import SessionConflict


class TransactionalSite(Site):
    """An application each of whose requests is a transaction."""

    def includes_pyramid_tm(config):
        config.add_settings({"tm.manager_hook": "pyramid_tm.explicit_manager"})
        config.add_settings({"tm.annotate_user": False})  # it would read each session
        config.include("pyramid_tm")

    includes = (includes_pyramid_tm,)


class TestTransactionalSessions(ContentsSuite, InterfaceSuite, IdentitySuite, TimesSuite):
    """All but the promises to requests that overlap: there the later one is to be tried again."""

    def settings(self, folder):
        return {"session.type": "memory"}

    def make_site(self, **options):
        return TransactionalSite(self.store, self.clock, transactional=True, **options)

    def test_persist(self):
        """A transaction has the session stored with its commit, whoever asks earlier."""
        visitor = self.visitor(a=1)

        def work(session):
            session["a"] = 2
            session.persist()
            return visitor.contents()

        assert visitor.use(work) == {"a": 1}
        assert visitor.contents() == {"a": 2}

    def test_first_write(self):
        """A new session costs a read more as well: the vote looks whether the store is there."""
        stranger = self.site.stranger().put(a=1)
        assert self.store.calls == ["load", "create"]
        assert len(stranger.set_cookies) == 1
        assert stranger.contents() == {"a": 1}
        self.assert_records(1)

    def test_write_costs_one_swap(self):
        """A change costs a read and a lock more than without transactions: the vote compares."""
        visitor = self.visitor(a=1, b=2)
        visitor.use(lambda session: (session.update(a=2, c=3), session.pop("b")))
        compared, unlocked = ["create", "load"], ["load", "delete"]
        assert self.store.calls == ["load", *compared, "swap", *unlocked]
        assert visitor.contents() == {"a": 2, "c": 3}

    def test_lifetime_that_ends_during_a_request(self):
        """A session that ends before the commit is a conflict: the next attempt begins anew."""
        visitor = self.make_site(lifetime=3600).stranger().put(a=1)

        def work(session):
            dict(session)
            self.clock.advance(3600)
            session["b"] = 1

        with pytest.raises(SessionConflict, match="has ended"):
            visitor.use(work)
        assert visitor.contents() == {}
