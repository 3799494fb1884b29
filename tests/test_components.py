"""Typed objects on a session: the one of its interface or class, kept as plain data."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections import deque

import attrs
import pytest
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationConflictError
from pyramid.interfaces import ISession
from zope.interface import Attribute, Interface, implementer

from pyramid_beakerish import (
    ComponentConflict,
    SerializationError,
    SettingsError,
    register_component,
)
from pyramid_beakerish.sessions import components
from pyramid_beakerish.sessions.components import ComponentRegistry
from pyramid_beakerish.sessions.manager import SessionManager
from pyramid_beakerish.sessions.session import Session
from pyramid_beakerish.settings import session_settings
from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing import FrozenClock
from pyramid_beakerish.testing.site import Site, WatchedStore
from tests import scenarios


class ICounter(Interface):
    value = Attribute("How often it was counted")


class ITotal(Interface):
    pass


@implementer(ICounter, ITotal)
class Counter:
    """The class of Twisted's page, as it stands there."""

    made = 0

    def __init__(self, session):
        type(self).made += 1
        self.value = 0


class Other(Counter):
    pass


@dataclasses.dataclass
class Cart:
    items: list = dataclasses.field(default_factory=list)
    owner: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    items: list = dataclasses.field(default_factory=list)


@attrs.define
class Prefs:
    _colour: str = "red"
    sizes: dict = attrs.Factory(dict)


class Slotted:
    __slots__ = ("unset", "value")

    def __init__(self, session):
        self.value = []


class Careful:
    """Keeps the session, and says itself what is stored."""

    def __init__(self, session):
        self.session = session
        self.value = 0

    def __getstate__(self):
        return {"v": self.value}

    def __setstate__(self, state):
        self.value = state["v"]


class Stateless:
    def __init__(self, session):
        pass


class Odd:
    def __init__(self, session):
        pass

    def __getstate__(self):
        return "odd"


class Odder(Odd):
    def __getstate__(self):
        return "odd", 1


class Made:
    """Is made of arguments, as pickle would have it."""

    def __init__(self, session):
        pass

    def __reduce__(self):
        return Made, ("argument",)


@pytest.fixture
def store():
    return WatchedStore(MemoryStore(FrozenClock()))


@pytest.fixture
def site(store):
    site = Site(store, FrozenClock())
    site.config.register_session_component(Counter, ICounter)
    site.config.commit()
    return site


def count(session):
    ICounter(session).value += 1
    return ICounter(session).value


def test_one_object_made_on_first_use(site):
    """The interface gives one object of the session's, the same each time."""
    Counter.made = 0

    def work(session):
        counter = ICounter(session)
        assert type(counter) is Counter
        assert ICounter(session) is counter
        assert session.component(ICounter) is counter

    visitor = site.stranger()
    visitor.use(work)
    visitor.use(work)
    assert Counter.made == 1


def test_plain_attributes_are_kept(site):
    """A change of an attribute is stored without a word, and found by the next request."""
    visitor = site.stranger()
    assert [visitor.use(count) for _ in range(3)] == [1, 2, 3]
    assert site.stranger().use(count) == 1


def test_several_at_once(site):
    """A change of each of several objects is stored, be they just made or stored before."""

    def work(session):
        cart, counter = session.component(Cart), ICounter(session)
        cart.owner += "x"
        counter.value += 1

    visitor = site.stranger()
    for times in (1, 2):
        visitor.use(work)
        assert visitor.use(lambda session: session.component(Cart)).owner == "x" * times
        assert visitor.use(lambda session: ICounter(session).value) == times


def test_a_class_that_stands_for_another(site):
    """Whoever asks for a class gets the one that is registered for it."""
    site.config.register_session_component(Other, Counter)
    site.config.commit()
    assert site.stranger().use(lambda session: type(session.component(Counter))) is Other


def test_nothing_is_written_where_nothing_has_changed(site, store):
    """A request that only looks at its component writes nothing."""
    visitor = site.stranger()
    visitor.use(count)
    store.calls.clear()
    assert visitor.use(lambda session: ICounter(session).value) == 1
    assert store.calls == ["load"]


def test_another_process_and_another_configuration(tmp_path):
    """Components outlive a restart, and a process that has the class finds them."""
    options = {"session.type": "file", "session.data_dir": str(tmp_path)}
    script = """
import json, sys
from tests.test_components import visit
print(visit(*sys.argv[1:]))
"""
    cookie = ""
    for expected in (1, 2):
        command = [sys.executable, "-c", script, json.dumps(options), cookie]
        answer = subprocess.run(command, capture_output=True, timeout=60, check=True, text=True)
        number, _, cookie = answer.stdout.strip().rpartition("\n")[2].partition(" ")
        assert int(number) == expected


def visit(options, cookie):
    """Send one request to an application of this process; give its count and its cookie."""
    from webtest import TestApp

    config = Configurator(settings=json.loads(options))
    config.include("pyramid_beakerish")
    config.register_session_component("tests.test_components.Counter", ICounter)
    config.add_view(lambda request: count(request.session), renderer="json")
    browser = TestApp(config.make_wsgi_app())
    response = browser.get("/", headers={"Cookie": cookie} if cookie else {})
    ((name, value),) = browser.cookies.items() or [cookie.split("=")]
    return f"{response.json} {name}={value}"


def test_a_copy_of_the_session_is_up_to_date(site):
    """What a copy has of a component is what it is at that moment."""

    def work(session):
        ICounter(session).value += 1
        return [value["value"] for value in session.copy().values()]

    visitor = site.stranger()
    assert [visitor.use(work) for _ in range(3)] == [[1], [2], [3]]


def test_what_is_stored_is_data(site):
    """The stored value is the state alone: no class, no module."""
    visitor = site.stranger()
    visitor.use(count)
    assert visitor.contents() == {f"_c_{__name__}.ICounter": {"value": 1}}


def test_an_absent_component(site):
    """Without a registration the adaption fails or gives the default, and shows no contents."""

    def work(session):
        session["secret"] = "hidden"
        assert ITotal(session, None) is None
        assert ISession(session) is session
        with pytest.raises(TypeError, match="Could not adapt") as caught:
            ITotal(session)
        assert "hidden" not in str(caught.value)
        with pytest.raises(TypeError, match="ITotal has no class"):
            session.component(ITotal)

    site.stranger().use(work)


def test_several_interfaces(store):
    """Each registration has an object of its own; one of several interfaces is one for all."""
    apart, together = Site(store, FrozenClock()), Site(store, FrozenClock())
    apart.config.register_session_component(Counter, ICounter)
    apart.config.register_session_component(Other, ITotal)
    together.config.register_session_component(Counter, ICounter, ITotal)
    for site, same in ((apart, False), (together, True)):
        site.config.commit()
        found = site.stranger().use(lambda session: (ICounter(session), ITotal(session)))
        assert (found[0] is found[1]) is same


@pytest.mark.parametrize("interfaces", [(ICounter,), (ICounter, ITotal), (ITotal, ICounter)])
def test_two_classes_for_one_interface_are_a_conflict(interfaces):
    """The conflict is told at configuration, with both places."""
    config = Configurator(settings={"session.type": "memory"})
    config.include("pyramid_beakerish")
    config.register_session_component(Counter, ICounter)
    config.register_session_component(Other, *interfaces)
    with pytest.raises(ConfigurationConflictError):
        config.commit()


def test_a_conflict_where_every_statement_is_committed_at_once():
    """Without Pyramid's conflict detection the second registration is an error of ours."""
    config = Configurator(settings={"session.type": "memory"}, autocommit=True)
    config.include("pyramid_beakerish")
    config.register_session_component(Counter, ICounter)
    with pytest.raises(ComponentConflict):
        config.register_session_component(Other, ICounter)


def test_the_application_wins_over_what_it_includes(store):
    """As with all of Pyramid's configuration, an include is overridden."""
    site = Site(store, FrozenClock())
    site.config.include(lambda config: config.register_session_component(Counter, ICounter))
    site.config.register_session_component(Other, ICounter)
    site.config.commit()
    assert site.stranger().use(lambda session: type(ICounter(session))) is Other


def test_outside_pyramid(monkeypatch, store):
    """`register_component` holds where no configuration says otherwise; a second is an error."""
    registry = ComponentRegistry()
    monkeypatch.setattr(components, "everywhere", registry)
    monkeypatch.setattr("pyramid_beakerish.pyramid_session.everywhere", registry)
    registry.register(Counter, ITotal)
    with pytest.raises(ComponentConflict, match="ITotal has a component class already") as caught:
        registry.register(Other, ITotal)
    assert isinstance(caught.value, ValueError)
    assert not isinstance(caught.value, SettingsError)
    site = Site(store, FrozenClock())
    assert site.stranger().use(lambda session: type(ITotal(session))) is Counter
    assert ComponentRegistry(registry).find(ITotal)[0] is Counter
    core = Session(SessionManager(session_settings(type=store)[0]), None)
    assert type(ITotal(core)) is Counter
    assert register_component.__func__ is ComponentRegistry.register


class Basket(dict):
    pass


class Recent(deque):
    pass


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ((lambda session: None, ICounter), "Register a class"),
        ((Counter,), "at least one interface"),
        ((Basket, ICounter), "Basket derives from a built-in type"),
        ((Recent, ICounter), "Recent derives from a built-in type"),
    ],
)
def test_what_cannot_be_registered(wrong, told):
    """A component is made by a class with attributes, and registered for an interface."""
    with pytest.raises(TypeError, match=told):
        ComponentRegistry().register(*wrong)


def test_a_built_in_type_is_no_component(site):
    """What a dictionary holds could not be kept: that is told when it is first asked for."""

    def work(session):
        with pytest.raises(TypeError, match="Basket derives from a built-in type, whose contents"):
            session.component(Basket)

    site.stranger().use(work)


def append(kind):
    def work(session):
        component = session.component(kind)
        assert session.component(kind) is component
        values = component.value if kind is Slotted else component.items
        values.append(1)
        return values

    return work


@pytest.mark.parametrize("kind", [Cart, Frozen, Slotted])
def test_classes_without_an_interface(site, kind):
    """A class can be asked for by itself, with slots or frozen too; nested changes are kept."""
    visitor = site.stranger()
    assert [visitor.use(append(kind)) for _ in range(2)] == [[1], [1, 1]]


def test_attrs_classes(site):
    """An attrs class needs no registration; private fields are kept."""

    def work(session):
        prefs = session.component(Prefs)
        prefs._colour += "!"
        prefs.sizes["a"] = 1
        return prefs

    visitor = site.stranger()
    visitor.use(work)
    assert visitor.use(work) == Prefs("red!!", {"a": 1})


def test_a_class_that_has_changed(site):
    """A field that the class has got since has its default; one that it has lost is dropped."""
    key = f"_c_{__name__}.Cart"
    visitor = site.stranger().put(**{key: {"owner": "bob", "lost": 1}})
    assert visitor.use(lambda session: session.component(Cart)) == Cart([], "bob")
    assert visitor.contents() == {key: {"items": [], "owner": "bob"}}
    visitor.put(**{f"_c_{__name__}.Slotted": {"value": [1], "lost": 1}})
    assert visitor.use(lambda session: session.component(Slotted).value) == [1]


def test_a_damaged_state(site):
    """What is no state of a component is replaced by a new one."""
    visitor = site.stranger().put(**{f"_c_{__name__}.Cart": 5})
    assert visitor.use(lambda session: session.component(Cart)) == Cart()


def test_a_class_that_says_what_is_stored(site):
    """``__getstate__`` and ``__setstate__`` are obeyed, as for pickle."""

    def work(session):
        session.component(Careful).value += 1
        return session.component(Careful).value

    visitor = site.stranger()
    assert [visitor.use(work) for _ in range(2)] == [1, 2]
    assert visitor.contents() == {f"_c_{__name__}.Careful": {"v": 2}}
    visitor.use(lambda session: session.component(Stateless))
    for kind in (Odd, Odder, Made):
        with pytest.raises(SerializationError, match=f"{kind.__name__} is no dictionary"):
            visitor.use(lambda session, kind=kind: session.component(kind))


def test_a_component_that_cannot_be_stored(site):
    """An attribute that is no plain data is told with the component's name; nothing is stored."""
    visitor = site.stranger()

    def work(session):
        ICounter(session).value = object()

    with pytest.raises(SerializationError, match="ICounter"):
        visitor.use(work)
    assert visitor.contents() == {}


def test_put_replace_and_remove(site):
    """An object can be put in place by hand, if it is of the right class, and removed."""

    def work(session):
        mine = Counter(session)
        mine.value = 7
        session.set_component(ICounter, mine)
        assert ICounter(session) is mine
        for wrong in (ITotal, ICounter):
            with pytest.raises(TypeError, match="not of the class registered for"):
                session.set_component(wrong, Cart())
        session.set_component(Cart, Cart(["tea"]))
        for _ in ("there", "not there"):
            session.unset_component(Cart)
        assert [*session] == [*session.copy()]
        assert not [key for key in session if key.endswith("Cart")]
        session.unset_component(ITotal)
        assert session.component(Cart) == Cart()

    visitor = site.stranger()
    visitor.use(work)
    assert visitor.use(count) == 8
    visitor.use(lambda session: session.unset_component(ICounter))
    assert visitor.use(count) == 1


def test_the_end_of_the_session_ends_its_components(site):
    """After invalidate, revert and clear, components begin anew or are what is stored."""

    def work(session):
        counter = ICounter(session)
        counter.value = 5
        session.revert()
        assert ICounter(session).value == 1
        session.clear()
        assert ICounter(session).value == 0
        ICounter(session).value = 3
        session.invalidate()
        return count(session)

    visitor = site.stranger()
    visitor.use(count)
    assert visitor.use(work) == 1
    assert visitor.use(count) == 2


def test_a_transaction_that_is_aborted_undoes_components():
    """Components are brought back with the rest of the session, by abort and by rollback."""
    site = scenarios.Site("pyramid_tm", settings={"session.transactional": "true"})
    site.config.register_session_component(Counter, ICounter)
    seen = []

    @site.page("page")
    def work(request):
        session = request.session
        seen.append(count(session))
        savepoint = request.tm.savepoint()
        count(session)
        savepoint.rollback()
        assert ICounter(session).value == seen[-1]
        request.tm.abort()
        request.tm.begin()
        seen.append(count(session))

    visitor = site.stranger()
    visitor.get("/page")
    visitor.get("/page")
    assert seen == [1, 1, 2, 2]


def test_a_component_that_was_used_between_two_transactions():
    """It belongs to neither, like a list; the next transaction has a component of its own."""
    site = scenarios.Site("pyramid_tm", settings={"session.transactional": "true"})
    site.config.register_session_component(Counter, ICounter)

    @site.page("page")
    def work(request):
        count(request.session)
        request.tm.commit()
        count(request.session)
        request.tm.begin()
        return count(request.session)

    visitor = site.stranger()
    assert [visitor.get("/page").text for _ in range(2)] == ["2", "4"]


def test_an_ordinary_adapter_is_not_kept(site):
    """An adapter of the registry is made each time, and stores nothing."""
    site.config.registry.registerAdapter(Stateless, (ISession,), ITotal)

    def work(request):
        adapt = request.registry.getAdapter
        assert adapt(request.session, ITotal) is not adapt(request.session, ITotal)

    visitor = site.stranger()
    visitor.visit(work)
    assert visitor.contents() == {}
