"""Which calls share an entry, and which arguments cannot be told apart."""

from __future__ import annotations

import ast
import enum
import functools
import importlib
import math
import re
import runpy
import sys
from collections import namedtuple
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from pathlib import PurePosixPath, PureWindowsPath
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_beakerish.cache.keys import CallKeys
from pyramid_beakerish.cache.spelling import NoStableKeyError, spell
from pyramid_beakerish.errors import CacheKeyError, CacheUsageError

Point = namedtuple("Point", "x y")


class Colour(enum.Enum):
    RED = 1
    CRIMSON = 1  # noqa: PIE796 - an alias
    BLUE = 2


class Paint(enum.Enum):
    RED = 1
    ONE = "1"


class Pair(tuple):
    """Two values, and attributes that may be more."""


class Level(enum.IntEnum):
    LOW = 1


class Right(enum.Flag):
    READ = 1
    WRITE = 2


class Keyed:
    def __init__(self, number):
        self.number = number

    def __cache_key__(self):
        return self.number


class OtherKeyed(Keyed):
    class Within:
        pass


class Plain:
    pass


class Zone(tzinfo):
    def utcoffset(self, moment):
        return timedelta(0)


atoms = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(allow_nan=False),
    st.sampled_from([0.0, -0.0, 1.0]),
    st.text("ab:1tsN ", max_size=4),
    st.binary(max_size=2),
    st.decimals(allow_nan=False, places=1),
    st.dates(),
    st.datetimes(),
    st.times(),
    st.timedeltas(),
    st.sampled_from([Colour.RED, Colour.BLUE, Level.LOW, Right.READ, Right.READ | Right.WRITE]),
)
hashables = atoms | st.lists(atoms, max_size=2).map(tuple) | st.frozensets(atoms, max_size=2)


@st.composite
def leaves(draw):
    """Draw what may be in a set; it has a short name, as hypothesis prints it often."""
    return draw(hashables)


nested = st.recursive(
    leaves(),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(leaves(), inner, max_size=2),
        st.sets(leaves(), max_size=2),
    ),
    max_leaves=6,
)


@st.composite
def values(draw):
    """Draw any value that has a key."""
    return draw(nested)


def alike(one, other):
    """Tell whether two values are equal and of the same types, all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict):
        return paired(list(one.items()), list(other.items()))
    if isinstance(one, (set, frozenset)):
        return paired(list(one), list(other))
    if isinstance(one, (float, Decimal, datetime, time)):
        return repr(one) == repr(other)
    return one == other


def paired(these, those):
    return len(these) == len(those) and all(any(alike(a, b) for b in those) for a in these)


@given(values(), values())
def test_only_equal_values_of_equal_types_have_one_spelling(one, other):
    """Two values are spelt the same if and only if they are equal and of the same types."""
    assert (spell(one) == spell(other)) == alike(one, other)


@given(st.lists(atoms, max_size=3), st.lists(atoms, max_size=3))
def test_only_equal_arguments_have_one_key(these, those):
    """Two calls share a key if and only if their arguments are equal and of the same types."""

    def function(*args):
        """Take anything."""

    keys = CallKeys(function)
    assert (keys.of_call(these, {}) == keys.of_call(those, {})) == alike(these, those)


DIFFERENT = [
    (("a b", "c"), ("a", "b c")),
    ((1,), ("1",)),
    ((1,), (1.0,)),
    ((1,), (True,)),
    ((0.0,), (-0.0,)),
    ((None,), ("None",)),
    ((True,), ("True",)),
    ((b"x",), ("b'x'",)),
    ((), ("",)),
    (("é",), ("\\xe9",)),
    (([1],), ((1,),)),
    (({1},), (frozenset({1}),)),
    (([[1], []],), ([[], [1]],)),
    (({"a": 1},), ({"b": 1},)),
    ((Colour.RED,), (1,)),
    ((Colour.RED,), (Paint.RED,)),
    ((Paint.RED,), (Paint.ONE,)),
    ((Level.LOW,), (1,)),
    ((Right.READ,), (Right.READ | Right.WRITE,)),
    ((Keyed(1),), (OtherKeyed(1),)),
    ((Keyed(1),), (Keyed(2),)),
    ((Point(1, 2),), ((1, 2),)),
    ((Point(1, 2),), (Point(1, 3),)),
    ((Plain,), (Keyed,)),
    ((date(2026, 1, 1),), (datetime(2026, 1, 1),)),
    ((datetime(2026, 1, 1),), (datetime(2026, 1, 1, tzinfo=timezone.utc),)),
    (
        (datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")),),
        (datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Paris")),),
    ),
    ((datetime(2026, 1, 1),), (datetime(2026, 1, 1, fold=1),)),
    ((Decimal("1.0"),), (Decimal("1.00"),)),
    ((PurePosixPath("a"),), ("a",)),
    ((PurePosixPath("a"),), (PurePosixPath("b"),)),
    ((PurePosixPath("a"),), (PureWindowsPath("a"),)),
    ((1j,), (1,)),
    ((timedelta(1),), (timedelta(seconds=1),)),
    ((UUID(int=1),), (UUID(int=2),)),
    ((10**5000,), (10**5000 + 1,)),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_beaker_confuses_is_told_apart(one, other):
    """Arguments that differ in value or type have different keys."""

    def function(*args):
        """Take anything."""

    keys = CallKeys(function)
    assert keys.of_call(one, {}) != keys.of_call(other, {})


SAME = [
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    (set("abcdef"), set("fedcba")),
    (math.nan, float("nan")),
    (Colour.RED, Colour.CRIMSON),
    (Keyed(1), Keyed(1)),
    (UUID(int=3), UUID(int=3)),
    (time(1, 2, tzinfo=timezone.utc), time(1, 2, tzinfo=timezone.utc)),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_equal_values_have_one_spelling(one, other):
    """The order of a set or dict, and the identity of an object, do not matter."""
    assert spell(one) == spell(other)


@pytest.mark.parametrize(
    "value",
    [
        *(object(), Plain(), [Plain()], lambda: 1, bytearray(b"x"), range(3), time(tzinfo=Zone())),
        *(Pair("ab"), ast.Pass()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_stable_key_is_an_error(value):
    """A value whose repr need not tell it from others is refused, and its type named."""
    with pytest.raises(NoStableKeyError):
        spell(value)


def made_class():
    """Make a class that others have the name of."""

    class Made:
        """Like any other."""

    return Made


def test_a_class_that_others_have_the_name_of_is_refused():
    """A class has a key if its name leads to it: a function may make many of one name."""
    assert spell(Plain) == spell(Plain) != spell(Keyed) != spell(OtherKeyed.Within)
    for nameless in (made_class(), type("Plain", (), {}), type("X", (), {"__module__": "none"})):
        with pytest.raises(NoStableKeyError):
            spell(nameless)


def test_refused_argument_is_named_with_remedies():
    """The error names the function, the parameter, the type and what to do."""

    def rights(user, item=1):
        """Take a user."""

    expected = (
        f"{__name__}.test_refused_argument_is_named_with_remedies.<locals>.rights cannot be"
        f" cached by parameter 'user': {__name__}.Plain has no stable key. Pass plain values,"
        " give the class a __cache_key__ method, leave the parameter out with ignore=, or say"
        " with key= what tells the calls apart."
    )
    with pytest.raises(CacheKeyError, match=f"^{re.escape(expected)}$"):
        CallKeys(rights).of_call((Plain(),), {})


def test_endless_argument_is_refused():
    """A list that contains itself has no key."""
    endless = []
    endless.append(endless)
    with pytest.raises(CacheKeyError, match="nested too deeply"):
        CallKeys(lambda items: 1).of_call((endless,), {})


def test_defaults_and_keywords_make_no_difference():
    """The same call spelt in other ways has the same key."""

    def function(a, b=2, *rest, c=3, **more):
        """Take everything."""

    keys = CallKeys(function)
    assert keys.of_call((1,), {}) == keys.of_call((), {"c": 3, "b": 2, "a": 1})
    assert keys.of_call((1, 2), {"x": 1, "y": 2}) == keys.of_call((1,), {"y": 2, "x": 1})
    assert keys.of_call((1, 2, 3), {}) != keys.of_call((1, 3), {})


def load(self, item, limit=10):
    """Be what a decorator stands for."""
    return item, limit


def passing_all_on(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def passing_on_in_order(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)

    return wrapper


def for_methods(function):
    @functools.wraps(function)
    def wrapper(self, /, *args, **kwargs):
        return function(self, *args, **kwargs)

    return wrapper


def with_an_option(function):
    @functools.wraps(function)
    def wrapper(self, *args, loud=False, **kwargs):
        return function(self, *args, **kwargs), loud

    return wrapper


def with_another_default(function):
    @functools.wraps(function)
    def wrapper(self, item=7, *args, **kwargs):
        return function(self, item, *args, **kwargs)

    return wrapper


def with_one_less(function):
    @functools.wraps(function)
    def wrapper(self, item):
        return function(self, item, limit=5)

    return wrapper


def giving_an_argument(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function("self", *args, **kwargs)

    return wrapper


@pytest.mark.parametrize(
    "decorator",
    [
        *(passing_all_on, passing_on_in_order, for_methods, functools.lru_cache),
        lambda f: passing_all_on(for_methods(f)),
    ],
)
def test_function_behind_a_decorator(decorator):
    """A decorator that passes on what it is given makes no difference to the key."""
    keys = CallKeys(decorator(load))
    assert keys.of_call((0, 1), {}) == CallKeys(load).of_call((0,), {"limit": 10, "item": 1})
    assert keys.receiver == "self"


@pytest.mark.parametrize(
    ("decorator", "one", "other"),
    [
        (with_an_option, ((0, 1), {}), ((0, 1), {"loud": True})),
        (with_an_option, ((0, 1), {"loud": True}), ((0, 2), {"loud": True})),
        (with_another_default, ((0,), {}), ((0, 8), {})),
        (with_one_less, ((0, 1), {}), ((0, 2), {})),
    ],
)
def test_function_behind_a_decorator_that_takes_others(decorator, one, other):
    """Where a decorator takes other arguments than the function, its own are those of the key."""
    keys = CallKeys(decorator(load))
    assert keys.of_call(*one) != keys.of_call(*other)
    assert keys.of_call(*one) == keys.of_call(*one)
    assert keys.receiver == "self"


def test_decorator_that_hides_a_keyword():
    """One that takes no keywords does not just pass them on to a function that needs some."""

    def find(item, *, limit):
        return item, limit

    keys = CallKeys(passing_on_in_order(find))
    assert keys.of_call((1,), {}) != keys.of_call((2,), {})


def test_bound_method_behind_a_decorator():
    """The arguments of a method that has its object already are those of the key."""

    class Shop:
        stock = passing_all_on(load)

    keys = CallKeys(Shop().stock)
    assert keys.of_call((1,), {}) == keys.of_call((1,), {}) != keys.of_call((2,), {})


def test_arguments_that_fit_only_the_decorator():
    """A decorator that takes anything is believed; where that cannot be, the error helps."""
    expected = (
        f"{__name__}.load: missing a required argument: 'item'. If one of its decorators changes"
        " the arguments, it goes above cache_region, or key= says what tells the calls apart."
    )
    with pytest.raises(CacheUsageError, match=f"^{re.escape(expected)}$"):
        CallKeys(giving_an_argument(load)).of_call((1,), {})
    keys = CallKeys(giving_an_argument(load), key=lambda item: item)
    assert keys.of_call((1,), {}) != keys.of_call((2,), {})


def test_ignored_parameters_are_not_in_the_key():
    """What is ignored may differ, and need not have a key at all."""
    keys = CallKeys(lambda request, item: 1, ignore=("request",))
    assert keys.of_call((Plain(), 1), {}) == keys.of_call((Plain(),), {"item": 1})
    assert keys.of_call((Plain(), 1), {}) != keys.of_call((Plain(), 2), {})
    assert keys.first_ignored
    assert not CallKeys(lambda item, request: 1, ignore=["request"]).first_ignored
    assert not CallKeys(lambda: 1).first_ignored


def test_key_callable_decides_alone():
    """What key= returns for the arguments is the key."""
    keys = CallKeys(lambda user: 1, key=lambda user: user.number)
    assert keys.of_call((Keyed(1),), {}) == keys.of_call((), {"user": OtherKeyed(1)})
    assert keys.of_call((Keyed(1),), {}) != CallKeys(load, key=lambda user: 1).of_call((1,), {})
    with pytest.raises(CacheKeyError, match="by the result of key="):
        CallKeys(lambda user: 1, key=lambda user: user).of_call((Plain(),), {})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ignore": ("reqest",)}, "has no parameter reqest"),
        ({"ignore": "request"}, r"ignore takes a sequence: ignore=\('request',\)"),
        ({"ignore": ("request",), "key": str}, "either ignore= or key=, not both"),
        ({"given": (Plain(),)}, "by a decorator argument"),
    ],
)
def test_wrong_options_are_errors(options, message):
    """A mistake in the decorator's options is found at decoration."""
    with pytest.raises(CacheUsageError, match=message):
        CallKeys(lambda request: 1, **options)


@pytest.mark.parametrize("function", [max, passing_all_on(max)])
def test_function_without_a_signature(function):
    """What Python does not know the parameters of is refused at decoration, with a remedy."""
    expected = "builtins.max has no signature: cache a function of your own that calls it"
    with pytest.raises(CacheUsageError, match=f"^{re.escape(expected)}$"):
        CallKeys(function)


def test_functions_of_one_name_have_keys_of_their_own():
    """Two functions of the same name in one module, or in one function, share nothing."""

    def make_early():
        def view():
            """Be the first."""

        return view

    def make_late():
        def view():
            """Be the second."""

        return view

    early, late = make_early(), make_late()
    name = f"name{uuid4().hex}"
    early.__qualname__ = late.__qualname__ = name
    keys = [CallKeys(early).of_call((), {}), CallKeys(late).of_call((), {})]
    assert keys[0] != keys[1]
    assert "@" not in keys[0]
    assert keys[0] == CallKeys(make_early_again(early)).of_call((), {})
    assert CallKeys(make_late()).of_call((), {}) != CallKeys(make_early()).of_call((), {})


@pytest.mark.parametrize(("args", "kwargs"), [((), {}), ((0, 1, 2), {"loud": True}), ((0,), {})])
def test_arguments_that_do_not_fit(args, kwargs):
    """A call that the function would refuse has no key: Python's own error says why."""
    with pytest.raises(TypeError) as caught:
        CallKeys(load).of_call(args, kwargs)
    assert caught.type is TypeError


def test_class_is_left_out():
    """The class of a class method is left out of the key, as the object of a method is."""
    keys = CallKeys(lambda cls, item: 1)
    assert keys.of_call((Plain, 1), {}) == keys.of_call((Keyed, 1), {})


def test_program_without_a_file(monkeypatch):
    """What is typed in at Python's prompt can be cached."""
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    monkeypatch.setattr(load, "__module__", "__main__")
    assert CallKeys(load).of_call((0, 1), {}) != CallKeys(load).of_call((0, 2), {})


def test_where_a_module_lies_makes_no_difference(monkeypatch):
    """Hosts that share a region may have the same package in different folders."""
    here = CallKeys(load).of_call((0, 1), {})
    monkeypatch.setattr(sys.modules[__name__], "__file__", "/elsewhere/test_cache_keys.py")
    assert CallKeys(load).of_call((0, 1), {}) == here


def test_functions_of_two_scripts_have_keys_of_their_own(tmp_path):
    """What two scripts both define shares nothing; a child that is spawned shares it all."""
    scripts = [tmp_path / "users.py", tmp_path / "orders.py"]
    for script in scripts:
        script.write_text(
            "from pyramid_beakerish import cache_region\n"
            "@cache_region('short_term')\n"
            "def load(number): pass\n"
        )

    def key(script, name="__main__"):
        return runpy.run_path(str(script), run_name=name)["load"].key_for(7)

    assert key(scripts[0]) != key(scripts[1])
    assert key(scripts[0], "__mp_main__") == key(scripts[0])


@pytest.mark.parametrize("name", ["__main__", "__mp_main__"])
def test_a_module_that_runs_as_a_program(name, tmp_path, monkeypatch):
    """What ``python -m`` runs, and a child that it spawns, has the keys of what is imported."""
    package = f"package{uuid4().hex}"
    (tmp_path / package).mkdir()
    (tmp_path / package / "tasks.py").write_text(
        "from enum import Enum\n"
        "from pyramid_beakerish import cache_region\n"
        "class Colour(Enum):\n"
        "    RED = 'red'\n"
        "@cache_region('short_term')\n"
        "def load(colour): pass\n"
        "KEY = load.key_for(Colour.RED)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    run = runpy.run_module(f"{package}.tasks", run_name=name, alter_sys=True)
    assert run["KEY"] == importlib.import_module(f"{package}.tasks").KEY


def test_functions_of_two_folders_have_keys_of_their_own(tmp_path):
    """What two folders with a ``__main__.py`` both define shares nothing."""

    def key(folder):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__main__.py").write_text(
            "from pyramid_beakerish import cache_region\n"
            "@cache_region('short_term')\n"
            "def load(number): pass\n"
            "KEY = load.key_for(7)\n"
        )
        return runpy.run_path(str(tmp_path / folder), run_name="__main__")["KEY"]

    assert key("users") != key("orders")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="code has no columns")
def test_lambdas_of_one_line_have_keys_of_their_own():
    """Two lambdas in one line share nothing, behind a decorator either."""
    both = lambda item: (item, 1), lambda item: (item, 2)  # fmt: skip
    for functions in both, [*map(passing_all_on, both)]:
        one, other = (CallKeys(function).of_call((7,), {}) for function in functions)
        assert one != other


def make_early_again(function):
    """Give the function as a decorator gives it that knows functools.wraps."""

    @functools.wraps(function)
    def wrapper():
        """Stand for the function."""

    return wrapper
