"""What a store can tell an administrator about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping


class Advice(NamedTuple):
    """One sentence with its remedy, and a link to more about it."""

    text: str
    link: str = ""


class StoreFacts(TypedDict, total=False):
    """What `Store.inspect` gives; whatever cannot be found out is left out."""

    #: The name and version of the keeper of the bytes.
    version: str
    #: Who sees the same entries: one process, those of one host, or whoever is connected.
    reach: Literal["process", "host", "network"]
    #: Whether entries outlive a restart of their keeper.
    persistent: bool
    #: Whether entries may leave before their time for want of room.
    evicts: bool
    entries: int
    most_entries: int
    #: Bytes that are taken, and bytes that are left.
    used: int
    free: int
    #: Why there was nothing to contact yet, as one sentence.
    absent: str
    #: By the name of a fact, ``persistent`` or ``evicts``: what to do if it is not as
    #: sessions need it, in the imperative and without a full stop.
    remedies: Mapping[str, Advice]
    #: Sentences of advice, each with its remedy.
    remarks: tuple[Advice, ...]
