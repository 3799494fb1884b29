"""Sessions in transactions of pyramid_tm: joined, stored with the commit, undone with the abort."""

from __future__ import annotations

import threading

import pytest
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationExecutionError
from pyramid.httpexceptions import HTTPConflict, HTTPForbidden
from pyramid.interfaces import ISession
from pyramid.response import Response
from transaction.interfaces import (
    DoomedTransaction,
    IDataManager,
    ISavepointDataManager,
    NoTransaction,
    TransactionFailedError,
)
from webtest import TestApp
from zope.interface.verify import verifyObject

import pyramid_beakerish.transaction
from pyramid_beakerish import (
    SerializationError,
    SessionStateError,
    SettingsError,
    StoreError,
    StoreUnavailable,
    session_factory_from_settings,
)
from pyramid_beakerish.sessions.session import Session
from pyramid_beakerish.settings import read_settings
from pyramid_beakerish.transaction import SessionConflict, SessionDataManager
from tests.scenarios import DataManager, Site, fail_with, set_cookies

SETTINGS = {"session.transactional": "true"}
WRITERS = {
    "assign": lambda s: s.update(new=1),
    "delete": lambda s: s.pop("old"),
    "del": lambda s: s.__delitem__("old"),
    "clear": lambda s: s.clear(),
    "popitem": lambda s: s.popitem(),
    "setdefault": lambda s: s.setdefault("new", 1),
    "update": lambda s: s.update(new=1),
    "or": lambda s: s.__ior__({"new": 1}),
    "flash": lambda s: s.flash("new"),
    "token": lambda s: s.new_csrf_token(),
    "modify": lambda s: s.modify("old", lambda old: old + "!"),
    "changed": lambda s: s.changed(),
    "save": lambda s: s.save(),
    "invalidate": lambda s: s.invalidate(),
    "regenerate_id": lambda s: s.regenerate_id(),
    "set_lifetime": lambda s: s.set_lifetime(timeout=60),
    "path": lambda s: setattr(s, "path", "/a"),
}


PATIENCE = 60  # seconds


class Refused(Exception):
    """What a view, or another data manager, raises here."""


def make_site(*includes, **settings):
    return Site("pyramid_tm", *includes, settings={**SETTINGS, **settings})


@pytest.fixture
def site():
    return make_site()


def page(site, work):
    """Have ``/page`` do the work, with the session and the request."""
    site.page("page")(lambda request: str(work(request.session, request)))


def restart(request):
    """Abort the transaction and begin another, as pyramid_tm wants one at the end."""
    request.tm.abort()
    request.tm.begin()


def on_end(vote=lambda: None, finish=lambda: None, key="scenario"):
    """Give a data manager that does something in its vote, or when it finishes."""
    manager = DataManager([], vote)
    manager.sortKey = lambda: key
    manager.tpc_finish = lambda transaction: finish()
    return manager


def test_a_commit_stores_the_session(site):
    """What a view has changed is stored by the commit, before the response is made."""

    def work(session, request):
        session["new"] = "2"
        request.tm.get().join(DataManager(site.journal))

    page(site, work)
    visitor = site.visitor()
    visitor.get("/page")
    turn = ["create", "load", "commit", "swap", "load", "delete"]  # from the vote to the finish
    assert site.journal == ["load", *turn]
    assert site.contents(visitor) == {"old": "1", "new": "2"}


def test_a_request_that_reads_joins_nothing(site):
    """Reading takes no part in the transaction, and asks the store once."""

    def work(session, request):
        assert session["old"] == "1"
        assert session._resource is None

    page(site, work)
    visitor = site.visitor()
    visitor.get("/page")
    assert site.journal == ["load"]


def test_a_list_that_was_handed_out_takes_part(site):
    """A change inside a list is stored by the commit, or undone by the abort, without a word."""

    def work(session, request):
        session["cart"].append(request.params["add"])
        if request.params["add"] == "bad":
            restart(request)
            assert session["cart"] == ["tea", "good"]

    site.page("fill")(lambda request: str(request.session.update(cart=["tea"])))
    page(site, work)
    visitor = site.stranger()
    visitor.get("/fill")
    visitor.get("/page?add=good")
    visitor.get("/page?add=bad")
    assert site.contents(visitor) == {"cart": ["tea", "good"]}


def test_an_uncaught_exception_changes_nothing(site):
    """A view that raises leaves the stored session as it was, nested lists too."""

    def work(session, request):
        session["new"] = 1
        raise Refused

    page(site, work)
    visitor = site.visitor()
    with pytest.raises(Refused):
        visitor.get("/page")
    assert site.contents(visitor) == {"old": "1"}
    assert site.writes() == []


def test_an_exception_view_runs_inside_and_is_undone(site):
    """What an exception view flashes inside the transaction goes with the abort."""

    def work(session, request):
        session["new"] = 1
        raise Refused

    @site.error_page(Refused)
    def answer(error, request):
        request.session.flash("sorry")
        return "sorry"

    page(site, work)
    visitor = site.visitor()
    assert visitor.get("/page").text == "sorry"
    assert site.contents(visitor) == {"old": "1"}


def test_doom_undoes(site):
    """A doomed transaction stores nothing; the session can be written to until it ends."""

    def work(session, request):
        request.tm.doom()
        session["new"] = 1
        assert session["new"] == 1

    page(site, work)
    visitor = site.visitor()
    visitor.get("/page")
    assert site.contents(visitor) == {"old": "1"}


def test_commit_veto_undoes():
    """A response that the veto refuses stores nothing."""
    site = make_site(**{"tm.commit_veto": "pyramid_tm.default_commit_veto"})

    @site.page("page")
    def view(request):
        request.session["new"] = 1
        return HTTPForbidden()

    visitor = site.visitor()
    visitor.get("/page", status=403)
    assert site.contents(visitor) == {"old": "1"}


@pytest.mark.parametrize("after", ["error", "save"])
def test_a_failed_commit_and_the_exception_view_after_it(after):
    """After a failed commit an exception view may read; ``after_transaction`` lets it flash."""
    site = make_site(**{"session.after_transaction": after})

    def work(session, request):
        session["new"] = 1
        request.tm.get().join(on_end(vote=fail_with(Refused)))

    @site.error_page(Refused)
    def answer(error, request):
        assert dict(request.session) == {"old": "1"}
        try:
            request.session.flash("sorry")
        except SessionStateError as refused:
            return str(refused)
        return "flashed"

    page(site, work)
    visitor = site.visitor()
    text = visitor.get("/page").text
    if after == "save":
        assert text == "flashed"
        assert site.contents(visitor) == {"old": "1", "_f_": ["sorry"]}
    else:
        assert text == "Session's current state disallows writing"
        assert site.contents(visitor) == {"old": "1"}


def test_a_session_first_used_after_the_end(site):
    """An exception view that is the first to use the session may not write either."""

    @site.page("page")
    def view(request):
        request.tm.get().join(on_end(vote=fail_with(Refused)))

    @site.error_page(Refused)
    def answer(error, request):
        with pytest.raises(SessionStateError, match="disallows writing"):
            request.session["late"] = 1
        return request.session["old"]

    visitor = site.visitor()
    assert visitor.get("/page").text == "1"
    assert site.contents(visitor) == {"old": "1"}


def test_a_list_that_an_onlooker_has_read_takes_part(site):
    """What was decoded for a tween above belongs to the transaction once the view uses it."""

    def look(handler, request):
        assert request.session["cart"] == ["tea"]
        return handler(request)

    def work(session, request):
        assert session["old"] == "1"
        session["cart"].append("bad")
        request.tm.doom()

    site.outer_tween(look)
    site.page("fill")(lambda request: str(request.session.update(old="1", cart=["tea"])))
    page(site, work)
    visitor = site.stranger()
    visitor.get("/fill")
    visitor.get("/page")
    assert site.contents(visitor) == {"old": "1", "cart": ["tea"]}


def reads_around(handler, request):
    """A tween above pyramid_tm that looks at the session before anybody else."""
    assert request.session["old"] == "1"
    return handler(request)


def reads_inside(request):
    """What pyramid_tm asks for before the request is announced to subscribers."""
    assert request.environ["tm.active"]
    return request.session.get("old")


@pytest.mark.parametrize("above", [True, False])
def test_a_session_that_was_read_before_the_request_is_announced(site, above):
    """Whoever reads the session early, it may not be written to after the end."""
    if above:
        site.outer_tween(reads_around)
    else:
        site.config.add_request_method(reads_inside, "authenticated_userid", property=True)

    @site.page("page")
    def view(request):
        request.tm.get().join(on_end(vote=fail_with(Refused)))

    @site.error_page(Refused)
    def answer(error, request):
        with pytest.raises(SessionStateError, match="disallows writing"):
            request.session["late"] = 1
        return "refused"

    visitor = site.visitor()
    assert visitor.get("/page").text == "refused"
    assert site.contents(visitor) == {"old": "1"}


@pytest.mark.parametrize("writer", WRITERS)
def test_every_writer_is_refused_after_the_end(site, writer):
    """After the end of the transaction reading goes on and no way of writing is left."""
    seen = []

    def late(request, response):
        with pytest.raises(SessionStateError) as caught:
            WRITERS[writer](request.session)
        seen.append((str(caught.value), dict(request.session)))

    @site.page("page")
    def view(request):
        request.session["view"] = [1]
        request.add_response_callback(late)

    visitor = site.visitor()
    visitor.get("/page")
    contents = {"old": "1", "view": [1]}
    assert seen == [("Session's current state disallows writing", contents)]
    assert site.contents(visitor) == contents


def test_a_list_read_after_the_end_is_a_copy(site):
    """A change inside a list that was read, or kept, after the end is not stored."""

    @site.page("page")
    def view(request):
        kept = request.session["cart"] = []

        def late(request, response):
            request.session["cart"].append(1)
            kept.append(2)

        request.add_response_callback(late)

    visitor = site.visitor()
    visitor.get("/page")
    assert site.contents(visitor) == {"old": "1", "cart": []}


@pytest.mark.parametrize("writer", WRITERS)
def test_every_writer_is_undone(site, writer):
    """Whatever was done to the session, the abort undoes, the id's change and the end too."""

    def work(session, request):
        before = dict(session), session.id
        WRITERS[writer](session)
        restart(request)
        assert (dict(session), session.id) == before
        assert not session.dirty()

    page(site, work)
    visitor = site.visitor()
    response = visitor.get("/page")
    assert set_cookies(response) == []
    assert site.writes() == []
    assert site.contents(visitor) == {"old": "1"}


def test_no_cookie_for_what_was_aborted(site):
    """A new session whose transaction is aborted sends no cookie and leaves no record."""

    def work(session, request):
        session["new"] = 1
        restart(request)

    page(site, work)
    response = site.stranger().get("/page")
    assert set_cookies(response) == []
    assert site.records() == 0


@pytest.mark.parametrize("commit", [True, False])
def test_the_removal_cookie_follows_the_commit(site, commit):
    """The cookie is removed after a committed invalidate and stays after an aborted one."""

    def work(session, request):
        session.invalidate()
        if not commit:
            request.tm.doom()

    page(site, work)
    visitor = site.visitor()
    response = visitor.get("/page")
    assert bool(set_cookies(response)) is commit
    assert site.records() == (0 if commit else 1)


def test_the_next_transaction_of_the_same_request(site):
    """After an abort, and after a commit, the session takes part in the next transaction."""

    def work(session, request):
        session["lost"] = 1
        request.tm.abort()
        with pytest.raises(SessionStateError):
            session["between"] = 1
        request.tm.begin()
        session["first"] = [1]
        request.tm.commit()
        request.tm.begin()
        session["first"].append(2)
        session["second"] = 2

    page(site, work)
    visitor = site.visitor()
    visitor.get("/page")
    assert site.contents(visitor) == {"old": "1", "first": [1, 2], "second": 2}


def test_a_list_read_between_two_transactions(site):
    """It belongs to neither: the next transaction reads a list of its own."""

    def work(session, request):
        session["cart"] = [1]
        request.tm.commit()
        session["cart"].append("lost")
        between = session["cart"]
        assert dict(session) == {"old": "1", "cart": [1]}
        request.tm.begin()
        session["cart"].append(2)
        between.append("lost")

    page(site, work)
    visitor = site.visitor()
    visitor.get("/page")
    assert site.contents(visitor) == {"old": "1", "cart": [1, 2]}


@pytest.mark.parametrize("last", ["abort", "commit"])
def test_a_list_that_an_aborted_transaction_has_read(site, last):
    """Each transaction undoes what was done to the list in it, the second abort as well."""

    def work(session, request):
        for name in ("first", "second"):
            session["cart"].append(name)
            restart(request)
        request.tm.abort()
        session["cart"].append("between")
        request.tm.begin()
        session["cart"].append("last")
        if last == "abort":
            restart(request)

    site.page("fill")(lambda request: str(request.session.update(cart=["tea"])))
    page(site, work)
    visitor = site.stranger()
    visitor.get("/fill")
    visitor.get("/page")
    assert site.contents(visitor) == {"cart": ["tea"] if last == "abort" else ["tea", "last"]}


def test_what_was_removed_and_set_again_before_a_savepoint(site):
    """A rollback brings it back, though the store holds the same."""

    def work(session, request):
        del session["cart"]
        session["cart"] = ["tea"]
        savepoint = request.tm.savepoint()
        session["cart"].append("lost")
        savepoint.rollback()
        assert session["cart"] == ["tea"]

    site.page("fill")(lambda request: str(request.session.update(cart=["tea"])))
    page(site, work)
    visitor = site.stranger()
    visitor.get("/fill")
    visitor.get("/page")
    assert site.contents(visitor) == {"cart": ["tea"]}


def test_an_implicit_manager():
    """With the manager of the thread an abort is followed by a transaction that is committed."""
    site = make_site(**{"tm.manager_hook": None})

    def work(session, request):
        session["lost"] = 1
        request.tm.abort()
        session["kept"] = 1
        request.add_response_callback(late)

    def late(request, response):
        with pytest.raises(SessionStateError):
            request.session["late"] = 1

    page(site, work)
    visitor = site.visitor()
    visitor.get("/page")
    assert site.contents(visitor) == {"old": "1", "kept": 1}


def test_an_explicit_manager_that_has_nothing_begun(site):
    """The session begins no transaction: there is none after the end, and none is left."""

    def work(session, request):
        request.tm.abort()
        with pytest.raises(NoTransaction):
            request.tm.get()
        assert session["old"] == "1"
        request.tm.begin()

    page(site, work)
    site.visitor().get("/page")


def test_a_request_without_a_transaction_is_stored_as_ever():
    """Where ``tm.activate_hook`` leaves a request out, its session is stored without one."""
    site = make_site(**{"tm.activate_hook": lambda request: request.path != "/page"})

    def work(session, request):
        session["cart"] = []
        session["cart"].append(1)

    page(site, work)
    visitor = site.visitor()
    visitor.get("/page")
    assert site.contents(visitor) == {"old": "1", "cart": [1]}


# Savepoints


def test_savepoints(site):
    """A rollback brings back the contents, nested ones too; again, and to an earlier one."""

    def work(session, request):
        session["cart"] = ["a"]
        first = request.tm.savepoint()
        session["cart"].append("b")
        session["new"] = 1
        second = request.tm.savepoint()
        for _ in range(2):
            session["cart"].append("c")
            del session["new"]
            second.rollback()
            assert dict(session) == {"old": "1", "cart": ["a", "b"], "new": 1}
        session["cart"].append("d")
        first.rollback()
        assert dict(session) == {"old": "1", "cart": ["a"]}
        assert not second.valid
        session["cart"].append("e")

    page(site, work)
    visitor = site.visitor()
    visitor.get("/page")
    assert site.contents(visitor) == {"old": "1", "cart": ["a", "e"]}


def test_a_savepoint_before_the_first_write(site):
    """A rollback to before the session joined undoes all, and later changes join again."""

    def work(session, request):
        before = request.tm.savepoint()
        for _ in range(2):
            session["new"] = 1
            before.rollback()
            assert dict(session) == {"old": "1"}
        session["after"] = 1

    page(site, work)
    visitor = site.visitor()
    visitor.get("/page")
    assert site.contents(visitor) == {"old": "1", "after": 1}


def test_savepoints_without_a_change_between(site):
    """Each savepoint has a state of its own, also one that is made when nothing has changed."""

    def work(session, request):
        session["n"] = 1
        first, second = request.tm.savepoint(), request.tm.savepoint()
        session["n"] = 2
        third = request.tm.savepoint()
        session["n"] = 3
        third.rollback()
        assert session["n"] == 2
        second.rollback()
        assert session["n"] == 1
        session["n"] = 4
        first.rollback()

    page(site, work)
    visitor = site.visitor()
    visitor.get("/page")
    assert site.contents(visitor) == {"old": "1", "n": 1}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_rollback_undoes_every_writer(site, writer):
    """A rollback after a rotation, an end or any other change brings everything back."""

    def work(session, request):
        session["new"] = [1]
        savepoint = request.tm.savepoint()
        before = dict(session), session.id
        WRITERS[writer](session)
        savepoint.rollback()
        assert (dict(session), session.id) == before
        session.save()  # which stores all that is known of it, its limits and ends too

    page(site, work)
    visitor = site.visitor()
    response = visitor.get("/page")
    assert set_cookies(response) == []
    assert site.contents(visitor) == {"old": "1", "new": [1]}


def test_a_savepoint_after_the_end(site):
    """The data manager of a transaction that has ended gives no savepoint."""

    def work(session, request):
        session["new"] = 1
        manager = session._resource
        restart(request)
        with pytest.raises(SessionStateError) as caught:
            manager.savepoint()
        return caught.value

    page(site, work)
    text = site.visitor().get("/page").text
    assert text == "Session's current state disallows saving operations."


def test_a_savepoint_of_what_cannot_be_stored(site):
    """A value that cannot be stored fails the savepoint, and with it the transaction."""

    def work(session, request):
        session["new"] = object()
        with pytest.raises(SerializationError, match="new"):
            request.tm.savepoint()
        with pytest.raises(TransactionFailedError):
            request.tm.commit()
        restart(request)

    page(site, work)
    visitor = site.visitor()
    visitor.get("/page")
    assert site.contents(visitor) == {"old": "1"}


# Conflicts and retry


def other_request(site, visitor, change):
    """Change the visitor's session in a request of its own."""
    site.journal.append("other")
    visitor.get(change)


@pytest.fixture
def rival():
    """A site where another request gets in between the first attempt's reading and its commit."""
    site = make_site("pyramid_retry", **{"retry.attempts": 3})
    site.attempts = []
    site.page("change")(lambda request: str(request.session.update(other=1)))
    site.page("end")(lambda request: str(request.session.invalidate()))
    return site


@pytest.mark.parametrize(
    ("change", "left"),
    [("/change", {"old": "1", "other": 1, "count": 1}), ("/end", {"count": 1})],
)
def test_a_conflict_is_retried(rival, change, left):
    """Who has read what another request changes or ends meanwhile is tried again, and wins."""
    visitor = rival.visitor()

    def work(session, request):
        rival.attempts.append(session.get("old"))
        session["count"] = session.get("count", 0) + 1
        if len(rival.attempts) == 1:
            other_request(rival, visitor, change)

    # Views are added before the application is made, so this one is reached by a list.
    rival.work.append(work)
    visitor.get("/page")
    assert len(rival.attempts) == 2
    assert rival.contents(visitor) == left


@pytest.fixture(autouse=True)
def _page_of_the_rival(request):
    if "rival" in request.fixturenames:
        site = request.getfixturevalue("rival")
        site.work = []
        page(site, lambda session, each: site.work[-1](session, each))


@pytest.mark.parametrize(
    ("change", "said", "left"),
    [
        ("/change", "Another request has changed the session.", {"old": "1", "other": 1}),
        ("/end", "The session has ended in another request.", {}),
    ],
)
def test_a_conflict_without_retry(site, change, said, left):
    """Without pyramid_retry the conflict is an error, with its own class for an exception view."""
    site.page("change")(lambda request: str(request.session.update(other=1)))
    site.page("end")(lambda request: str(request.session.invalidate()))
    visitors = []

    def work(session, request):
        session["new"] = 1
        visitors[0].get(change)

    @site.error_page(SessionConflict)
    def answer(error, request):
        request.response.status_int = HTTPConflict.code
        assert dict(request.session) == left
        return str(error)

    page(site, work)
    visitors.append(site.visitor())
    assert visitors[0].get("/page", status=409).text == said
    assert site.contents(visitors[0]) == left


def test_a_touch_is_no_conflict(site):
    """That another request has merely used the session meanwhile disturbs nobody."""
    visitors = []

    def work(session, request):
        session["new"] = 1
        site.clock.advance(61)
        visitors[0].get("/look")
        assert site.journal.count("swap") == 1

    page(site, work)
    visitors.append(site.visitor())
    visitors[0].get("/page")
    ours, theirs, vote, finish = ["load"], ["load", "swap"], ["create", "load"], ["swap"]
    assert site.journal == [*ours, *theirs, *vote, *finish, "load", "delete"]
    assert site.contents(visitors[0]) == {"old": "1", "new": 1}


def test_an_id_is_renewed_by_a_request_that_only_reads():
    """Ids are renewed as without transactions, also where nobody changes anything."""
    site = make_site(**{"session.renew_id_every": "900"})
    visitor = site.visitor()
    site.clock.advance(900)
    assert set_cookies(visitor.get("/look"))
    assert not set_cookies(visitor.get("/look"))
    assert site.contents(visitor) == {"old": "1"}


def test_a_renewal_is_no_conflict():
    """That another request has renewed the id meanwhile disturbs nobody."""
    site = make_site(**{"session.renew_id_every": "900"})
    visitors = []

    def work(session, request):
        session["new"] = 1
        site.clock.advance(900)
        visitors[0].get("/look")

    page(site, work)
    visitors.append(site.visitor())
    response = visitors[0].get("/page")
    assert set_cookies(response)
    site.clock.advance(60)
    assert site.contents(visitors[0]) == {"old": "1", "new": 1}


def by_page_alone(request):
    """Have no other request take part in a transaction."""
    return request.path == "/page"


def test_an_end_between_vote_and_finish():
    """The session stays ended, and a second transaction of that request has nothing to store."""
    site = make_site(**{"tm.activate_hook": by_page_alone})
    site.page("end")(lambda request: str(request.session.invalidate()))
    visitors = []

    def work(session, request):
        session["new"] = 1
        request.tm.get().join(on_end(finish=lambda: visitors[0].get("/end")))
        request.tm.commit()
        request.tm.begin()
        session["second"] = 1

    page(site, work)
    visitors.append(site.visitor())
    visitors[0].get("/page", status=200)
    assert site.records() == 0


def test_a_change_between_vote_and_finish_is_merged():
    """What a request without a transaction changes while one is committed is merged key by key."""
    site = make_site(**{"tm.activate_hook": by_page_alone})
    site.page("change")(lambda request: str(request.session.update(other=1)))
    visitors = []

    def work(session, request):
        session["new"] = 1
        request.tm.get().join(on_end(finish=lambda: visitors[0].get("/change")))

    page(site, work)
    visitors.append(site.visitor())
    visitors[0].get("/page")
    assert site.contents(visitors[0]) == {"old": "1", "new": 1, "other": 1}


def test_two_commits_at_once(rival):
    """Who votes while another is being committed waits, is tried again, and loses nothing of it."""
    visitor = rival.visitor()
    second = threading.Thread(target=lambda: visitor.get("/page?add=2"))
    arrived, load = threading.Event(), rival.store.load

    def tell(key):
        if key.startswith("lease:"):
            arrived.set()
        return load(key)

    def let_the_second_vote():
        rival.store.load = tell
        second.start()
        assert arrived.wait(PATIENCE)

    def work(session, request):
        session["old"] += request.params["add"]
        votes = {"1": let_the_second_vote, "2": arrived.set}
        request.tm.get().join(on_end(votes[request.params["add"]], key="~~later"))

    rival.work.append(work)
    visitor.get("/page?add=1")
    second.join(PATIENCE)
    assert rival.contents(visitor) == {"old": "112"}


def test_two_sessions_of_one_transaction(site, monkeypatch):
    """A subrequest of the same transaction keeps the outer request waiting for nobody."""
    monkeypatch.setattr(pyramid_beakerish.transaction, "LONGEST_WAIT", 0)
    site.page("inner")(lambda request: str(request.session.update(inner=1)))

    def work(session, request):
        session["new"] = 1
        subrequest = request.copy()
        subrequest.path_info = "/inner"
        return request.invoke_subrequest(subrequest).text

    page(site, work)
    visitor = site.visitor()
    visitor.get("/page")
    votes, finishes = ["create", "load", "load"], ["swap", "swap", "load", "swap"]
    assert site.journal == ["load", "load", *votes, *finishes, "load", "delete"]
    assert site.contents(visitor) == {"old": "1", "new": 1, "inner": 1}


def test_a_commit_that_takes_too_long(site, monkeypatch):
    """Who has waited too long for the other's commit is a conflict, and stores nothing."""
    monkeypatch.setattr(pyramid_beakerish.transaction, "LONGEST_WAIT", 0)
    site.error_page(SessionConflict)(lambda error, request: str(error))
    site.page("change")(lambda request: str(request.session.update(other=1)))
    visitors, answers = [], []

    def change():
        answers.append(visitors[0].get("/change").text)

    def work(session, request):
        session["new"] = 1
        request.tm.get().join(on_end(vote=change, key="~~later"))

    page(site, work)
    visitors.append(site.visitor())
    visitors[0].get("/page")
    change()
    assert answers == ["Other requests kept committing the session.", "None"]
    assert site.contents(visitors[0]) == {"old": "1", "new": 1, "other": 1}


# Stores that fail


def test_a_store_that_fails_the_vote(site):
    """If the store cannot be reached at the vote, nobody commits, and the answer is a 503."""

    def work(session, request):
        session["new"] = 1
        request.tm.get().join(DataManager(site.journal))
        site.store.fail("load", "swap")

    page(site, work)
    visitor = site.visitor()
    visitor.get("/page", status=503)
    assert "commit" not in site.journal
    assert "abort" in site.journal
    assert site.contents(visitor) == {"old": "1"}


@pytest.mark.parametrize(
    ("browser", "change"),
    [(Site.stranger, lambda session: session.update(new=1)), (Site.visitor, Session.invalidate)],
    ids=["begun", "ended"],
)
def test_a_store_that_fails_the_vote_where_no_session_is(site, browser, change):
    """Nobody commits either, if a session could not be begun, or the one that was not be ended."""

    def work(session, request):
        change(session)
        request.tm.get().join(DataManager(site.journal))
        site.store.fail("load", "create", "delete")

    page(site, work)
    browser(site).get("/page", status=503)
    assert "commit" not in site.journal
    assert "abort" in site.journal


def test_what_an_exception_view_sees_of_a_store_that_failed_the_vote(site):
    """The session is empty, and stays so after the abort."""

    def work(session, request):
        session["new"] = 1
        site.store.fail("load", "swap")

    @site.error_page(StoreUnavailable)
    def answer(error, request):
        return str(dict(request.session))

    page(site, work)
    visitor = site.visitor()
    assert visitor.get("/page").text == "{}"
    assert site.contents(visitor) == {"old": "1"}


def test_a_store_that_dies_between_vote_and_finish(site, caplog):
    """All others finish, the answer is a 503 that promises nothing, the session is as it was."""

    def work(session, request):
        session["new"] = 1
        manager = on_end(vote=lambda: site.store.fail("load", "swap"), key="~~later")
        manager.tpc_finish = lambda transaction: site.journal.append("finished")
        request.tm.get().join(manager)
        return "promised"

    page(site, work)
    visitor = site.visitor()
    response = visitor.get("/page", status=503)
    assert "promised" not in response.text
    assert "finished" in site.journal
    assert "after the commit" in caplog.text
    assert site.contents(visitor) == {"old": "1"}


def test_a_turn_that_cannot_be_ended(site, caplog):
    """All others finish, and what was promised is stored; the turn ends by itself."""

    def refuse(key, token=None):
        raise StoreError("refused")

    def work(session, request):
        session["new"] = 1
        finished = on_end(finish=lambda: site.journal.append("finished"), key="~~later")
        request.tm.get().join(finished)
        site.store.delete = refuse
        return "promised"

    page(site, work)
    visitor = site.visitor()
    assert visitor.get("/page").text == "promised"
    assert site.journal[-1] == "finished"
    assert "ends by itself" in caplog.text
    assert site.contents(visitor) == {"old": "1", "new": 1}


def test_a_store_that_dies_where_pages_are_served_without_sessions():
    """With ``on_store_error = anonymous`` the commit goes on without the session."""
    site = make_site(**{"session.on_store_error": "anonymous"})

    def work(session, request):
        session["new"] = 1
        site.store.fail("load", "swap")

    page(site, work)
    visitor = site.visitor()
    visitor.get("/page", status=200)
    assert site.contents(visitor) == {"old": "1"}


def test_a_session_that_could_not_be_loaded_takes_no_part(site):
    """After a failure to load, a write raises the failure and not a word about transactions."""

    def work(session, request):
        site.store.fail("load")
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                session["new"] = 1
        site.store.mend()

    page(site, work)
    visitor = site.visitor()
    visitor.get("/page")
    assert site.contents(visitor) == {"old": "1"}


def test_a_value_that_cannot_be_stored_refuses_the_commit(site):
    """A value that cannot be stored is told at the vote, when all others can still abort."""

    def work(session, request):
        session["new"] = object()
        request.tm.get().join(DataManager(site.journal))

    page(site, work)
    visitor = site.visitor()
    with pytest.raises(SerializationError, match="new"):
        visitor.get("/page")
    assert "commit" not in site.journal
    assert site.contents(visitor) == {"old": "1"}


# The data manager, and hooks


def test_the_data_manager_provides_its_interfaces(site):
    """It has all that the transaction package asks for, and comes last."""

    def work(session, request):
        manager = SessionDataManager(session)
        assert verifyObject(IDataManager, manager)
        assert verifyObject(ISavepointDataManager, manager)
        assert verifyObject(ISession, session)
        return manager.sortKey()

    page(site, work)
    assert site.visitor().get("/page").text.startswith("~pyramid_beakerish")


def test_the_order_of_votes(site):
    """Of two transactions of the same two sessions none waits for what waits for itself."""
    keys = []

    def work(session, request):
        session["new"] = 1
        keys.append(SessionDataManager(session).sortKey())

    page(site, work)
    one, other = site.visitor(), site.visitor()
    for visitor in (one, other, one):
        visitor.get("/page")
    assert keys[0] == keys[2] != keys[1]


def test_the_notes_and_the_data_of_a_transaction_are_left_alone(site):
    """A session that joins adds nothing to what the transaction says of itself."""

    def work(session, request):
        transaction = request.tm.get()
        transaction.setExtendedInfo("from", "here")
        transaction.set_data(work, 5)
        before = transaction.description, transaction.user, dict(transaction.extension)
        session["new"] = 1
        now = transaction.description, transaction.user, dict(transaction.extension)
        assert now == before
        assert transaction.data(work) == 5
        with pytest.raises(KeyError):
            transaction.data(session._resource)

    page(site, work)
    site.visitor().get("/page")


def test_hooks_write_and_undo_nothing_that_is_stored(site):
    """A hook before the commit may change the session; one after it undoes nothing."""
    after = []

    def work(session, request):
        transaction = request.tm.get()
        transaction.addBeforeCommitHook(lambda: session.update(hook=1))
        transaction.addAfterCommitHook(after.append)

    page(site, work)
    visitor = site.visitor()
    visitor.get("/page")
    assert after == [True]
    assert site.contents(visitor) == {"old": "1", "hook": 1}


def test_a_vote_is_too_late_to_join(site):
    """Another data manager that writes during its vote is refused, and so is the commit."""

    def work(session, request):
        request.tm.get().join(on_end(vote=lambda: session.update(vote=1)))

    page(site, work)
    visitor = site.visitor()
    with pytest.raises(SessionStateError):
        visitor.get("/page")
    assert site.contents(visitor) == {"old": "1"}


def test_doomed_transactions_do_not_commit(site):
    """A commit by hand of a doomed transaction raises, and the session is undone."""

    def work(session, request):
        session["new"] = 1
        request.tm.doom()
        with pytest.raises(DoomedTransaction):
            request.tm.commit()

    page(site, work)
    visitor = site.visitor()
    visitor.get("/page")
    assert site.contents(visitor) == {"old": "1"}


def test_a_subrequest_is_stored_with_the_transaction_around_it(site):
    """A subrequest without tweens saves nothing before the outer commit, and nothing on abort."""
    site.page("inner")(lambda request: str(request.session.update(inner=1)))

    @site.page("page")
    def view(request):
        inner = type(request).blank("/inner", headers={"Cookie": request.headers["Cookie"]})
        inner.environ.update({k: v for k, v in request.environ.items() if k.startswith("tm.")})
        request.invoke_subrequest(inner)
        assert site.writes() == []
        if "abort" in request.params:
            request.tm.doom()
        return Response("done")

    visitor = site.visitor()
    visitor.get("/page?abort=1")
    assert site.contents(visitor) == {"old": "1"}
    visitor.get("/page")
    assert site.contents(visitor) == {"old": "1", "inner": 1}


# Configuration


def test_pyramid_tm_must_be_included():
    """Without pyramid_tm the setting could not be obeyed, which is told at start."""
    config = Configurator(settings={**SETTINGS, "session.type": "memory"})
    config.include("pyramid_beakerish")
    with pytest.raises(ConfigurationExecutionError, match="needs pyramid_tm: include it"):
        config.commit()


def by_hand(*includes):
    """Give the configuration of an application that makes its session factory itself."""
    settings = {**SETTINGS, "session.type": "memory", "session.secret": "x" * 32}
    config = Configurator(
        settings=settings, session_factory=session_factory_from_settings(settings)
    )
    for name in includes:
        config.include(name)
    return config


def test_a_factory_that_was_made_by_hand_needs_pyramid_tm_as_well():
    """It makes no difference who has made the factory of transactional sessions."""
    with pytest.raises(ConfigurationExecutionError, match="needs pyramid_tm: include it"):
        by_hand("pyramid_beakerish").commit()


def test_a_factory_that_was_made_by_hand_knows_of_the_end():
    """Nor does it for what is refused after the end of the transaction."""
    config = by_hand("pyramid_tm", "pyramid_beakerish")

    def late(request, response):
        with pytest.raises(SessionStateError, match="disallows writing"):
            request.session["late"] = 1
        response.text = "refused"

    config.add_view(lambda request: request.add_response_callback(late), renderer="string")
    assert TestApp(config.make_wsgi_app()).get("/").text == "refused"


def test_a_factory_that_was_made_by_hand_needs_the_include():
    """Nobody else tells the sessions of the transaction, which is told at first use."""
    config = by_hand("pyramid_tm")
    config.add_view(lambda request: str(request.session), renderer="string")
    with pytest.raises(SettingsError, match="needs the include of pyramid_beakerish"):
        TestApp(config.make_wsgi_app()).get("/")


def test_sessions_in_cookies_need_no_pyramid_tm(caplog):
    """They take part in no transaction, which is a line in the log."""
    cookie = {"session.type": "cookie", "session.validate_key": "x" * 32}
    config = Configurator(settings={**SETTINGS, **cookie})
    config.include("pyramid_beakerish")
    config.commit()
    assert "session.transactional has no effect" in caplog.text


def test_the_extra_must_be_installed(monkeypatch):
    """Without the transaction package the mistake names the extra that brings it."""
    monkeypatch.setattr(
        "pyramid_beakerish.settings.requirements.find_spec", lambda name: None, raising=True
    )
    with pytest.raises(ValueError, match=r"pyramid_beakerish\[transaction\]: install it"):
        read_settings({**SETTINGS, "session.type": "memory"})
