"""Hypothesis strategies for what a session can hold, and the comparison that goes with them."""

from __future__ import annotations

from datetime import datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from markupsafe import Markup
from translationstring import TranslationString

_DAY = timedelta(hours=23, minutes=59, seconds=59, microseconds=999_999)

texts = st.text(max_size=8)
offsets = st.timedeltas(min_value=-_DAY, max_value=_DAY)
zones = st.one_of(
    st.just(timezone.utc),
    offsets.map(timezone),
    st.builds(timezone, offsets, texts),
    st.timezones(),
)
maybe_zones = st.none() | zones

hashable_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=2**64),
    st.integers(max_value=-(2**63) - 1),
    st.floats(),
    texts,
    st.binary(max_size=8),
    st.datetimes(timezones=maybe_zones),
    st.dates(),
    st.times(timezones=maybe_zones),
    st.timedeltas(),
    st.decimals(allow_nan=False) | st.sampled_from([Decimal("NaN"), Decimal("-NaN7")]),
    st.uuids(),
    texts.map(Markup),
    st.builds(TranslationString, texts, domain=texts, default=texts, context=st.none() | texts),
)
scalars = hashable_scalars | st.sampled_from(
    [Decimal("sNaN"), Decimal("-sNaN12"), Decimal("-0E-9999"), Decimal("1E+99999"), -0.0]
)
hashables = st.recursive(
    hashable_scalars,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=5,
)


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(texts, inner, max_size=4),
        st.dictionaries(hashables, inner, max_size=4),
        st.sets(hashables, max_size=4),
        st.frozensets(hashables, max_size=4),
        st.builds(TranslationString, texts, mapping=st.dictionaries(texts, inner, max_size=2)),
    )


#: Anything that a session keeps, of every supported type.
values = st.recursive(scalars, _containers, max_leaves=12)


def canonical(value: Any) -> Any:
    """Give what two values have in common exactly if they are the same, recursively.

    Same means: equal and of the same type, where a NaN is the same as a NaN, a moment is
    so only with its zone and fold, and a translation string only with its attributes.
    """
    kind = type(value)
    if kind in (list, tuple):
        return kind, [canonical(item) for item in value]
    if kind in (set, frozenset):
        return kind, sorted((canonical(item) for item in value), key=repr)
    if kind is dict:
        return kind, [(canonical(key), canonical(item)) for key, item in value.items()]
    if kind in (datetime, time):
        return kind, value.replace(tzinfo=None).isoformat(), value.fold, _zone(value.tzinfo)
    if kind is TranslationString:
        rest = [value.domain, value.default, value.context, value.mapping]
        return kind, str(value), canonical(rest)
    return kind, hex(value) if kind is int else repr(value)


def _zone(zone: tzinfo | None) -> Any:
    if type(zone) is timezone:
        return timezone, zone.utcoffset(None), zone.tzname(None)
    return type(zone), getattr(zone, "key", None)
