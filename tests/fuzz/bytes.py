"""Strategies for damaged texts and bytes."""

from __future__ import annotations

from hypothesis import strategies as st

EDITS = st.lists(
    st.tuples(st.integers(0, 2**16), st.integers(0, 3), st.binary(max_size=3)),
    min_size=1,
    max_size=4,
)


def damaged(valid, pieces=()):
    """Give bytes made of valid ones by a few cuts and insertions, of pieces, or of nothing."""
    inserted = st.sampled_from([*pieces, b"\0", b"\xff"])
    soup = st.lists(inserted | st.binary(max_size=4), max_size=12).map(b"".join)
    edited = st.tuples(st.sampled_from(valid), EDITS).map(lambda case: edit(*case))
    return edited | soup


def edit(data, edits):
    """Cut bytes out and put others in."""
    for where, cut, inserted in edits:
        at = where % (len(data) + 1)
        data = data[:at] + inserted + data[at + cut :]
    return data


def latin(data):
    """Give the text that WSGI makes of bytes."""
    return data.decode("latin-1")
