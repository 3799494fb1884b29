"""Contestants that take turns, and what came of it.

Each round times every contestant once, one after the other, so that whatever else the machine does
meets them all. A ratio is the median of the ratios within a round; a time is the median over the
rounds, with its quartiles, less the time of the base in the same round if there is one.
"""

from __future__ import annotations

import gc
import os
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


class Rounds:
    """The microseconds of each contestant, round by round."""

    def __init__(self, times: Mapping[Any, list[float]]) -> None:
        self.times = times

    @classmethod
    def of(
        cls, contestants: Mapping[Any, Callable[[], float]], rounds: int, base: str | None = None
    ) -> Rounds:
        """Let all contestants take turns, once before the time is taken; ``base`` is taken off."""
        for contestant in contestants.values():
            contestant()
        gc.collect()
        gc.freeze()  # else each collection would go through what the other contestants keep
        times: dict[Any, list[float]] = {name: [] for name in contestants}
        for _ in range(rounds):
            for name, contestant in contestants.items():
                times[name].append(contestant())
        bases = times.pop(base) if base else [0.0] * rounds
        return cls(
            {name: [t - b for t, b in zip(ts, bases, strict=True)] for name, ts in times.items()}
        )

    @classmethod
    def once(cls, values: Mapping[str, float]) -> Rounds:
        """Take what was measured once of each, such as a size."""
        return cls({name: [value] for name, value in values.items()})

    def median(self, name: str) -> float:
        """Give the median of a contestant."""
        return median(self.times[name])

    def quartiles(self, name: str) -> tuple[float, float]:
        """Give the first and the third quartile; of what was measured once it is that."""
        times = self.times[name]
        first, _, third = quantiles(times * 2 if len(times) == 1 else times, n=4)
        return first, third

    def ratios(self, one: str, other: str) -> Rounds:
        """Give the share that one takes of what the other takes, round by round."""
        return Rounds({one: _ratios(self.times[one], self.times[other])})


def in_same_rounds(
    columns: Mapping[str, Mapping[str, Callable[[], float]]], rounds: int
) -> dict[str, Rounds]:
    """Let the contestants of all columns take turns, so that columns can be compared."""
    contestants = {(c, name): timer for c, each in columns.items() for name, timer in each.items()}
    times = Rounds.of(contestants, rounds).times
    return {c: Rounds({name: times[c, name] for name in each}) for c, each in columns.items()}


def _ratios(mine: list[float], theirs: list[float]) -> list[float]:
    return [one / other for one, other in zip(mine, theirs, strict=True)]


@dataclass(frozen=True)
class Target:
    """The share that one contestant may take of what another takes, in a column of a table.

    The other may be looked up in another column, of the same rounds.
    """

    column: str
    one: str
    other: str
    at_most: float
    other_column: str | None = None

    def found(self, columns: Mapping[str, Rounds]) -> float:
        """Give the share."""
        others = columns[self.other_column or self.column]
        return median(_ratios(columns[self.column].times[self.one], others.times[self.other]))

    def spell(self, found: float) -> str:
        """Tell what has been found."""
        where = f" with {self.other_column}" if self.other_column else ""
        return f"{self.column}: {self.one} takes {found:.3f} of {self.other}{where}"


@dataclass(frozen=True)
class Limit:
    """The most that a contestant may take, in the unit of the table."""

    column: str
    one: str
    at_most: float

    def found(self, columns: Mapping[str, Rounds]) -> float:
        """Give what it takes."""
        return columns[self.column].median(self.one)

    def spell(self, found: float) -> str:
        """Tell what has been found."""
        return f"{self.column}: {self.one} takes {found:.2f}"


@dataclass
class Table:
    """What was measured of some contestants, a column for each thing that they were asked to do."""

    title: str
    columns: dict[str, Rounds] = field(default_factory=dict)
    targets: list[Target | Limit] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def names(self) -> list[str]:
        """Give the contestants, in the order of their first turn."""
        return list(dict.fromkeys(name for each in self.columns.values() for name in each.times))

    def lines(self) -> Iterator[str]:
        """Spell the table, with a line for each target."""
        names = self.names()
        width = max(map(len, names)) + 2
        yield f"\n{self.title}"
        yield " " * width + "".join(f"{column:>26}" for column in self.columns)
        for name in names:
            cells = (_cell(rounds, name) for rounds in self.columns.values())
            yield f"{name:<{width}}" + "".join(f"{cell:>26}" for cell in cells)
        for target in self.targets:
            found = target.found(self.columns)
            met = "reached" if found <= target.at_most else "MISSED"
            yield f"  {target.spell(found)}, at most {target.at_most}: {met}"
        yield from (f"  {note}" for note in self.notes)

    def to_json(self) -> dict[str, object]:
        """Give the medians and quartiles, and what was found beside what it was to be."""
        times = {
            column: {n: [r.median(n), *r.quartiles(n)] for n in r.times}
            for column, r in self.columns.items()
        }
        targets = [{**vars(t), "found": t.found(self.columns)} for t in self.targets]
        return {"title": self.title, "times": times, "targets": targets, "notes": self.notes}


def _cell(rounds: Rounds, name: str) -> str:
    if name not in rounds.times:
        return ""
    if len(rounds.times[name]) == 1:
        return _short(rounds.median(name))
    first, third = rounds.quartiles(name)
    return f"{_short(rounds.median(name))} [{_short(first)}..{_short(third)}]"


def _short(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.{1 if abs(number) >= 1 else 3}f}"


#: The processors that this program was given.
PROCESSORS = sorted(getattr(os, "sched_getaffinity", lambda pid: ())(0))


def pin(*servers: int, beside: tuple[int, ...] = ()) -> None:
    """Give this process one processor and the servers another, where there are two.

    A round trip takes 14 us to a server on the same processor and 50 us to another: unpinned it
    would be now the one, now the other. ``servers`` are process ids, as are those that have this
    process's processor ``beside`` it.
    """
    if len(PROCESSORS) > 1:
        os.sched_setaffinity(0, PROCESSORS[:1])
        _give(beside, PROCESSORS[:1])
        _give(servers, PROCESSORS[1:2])


def _give(processes: tuple[int, ...], processors: list[int]) -> None:
    for thread in (t for process in processes for t in os.listdir(f"/proc/{process}/task")):
        os.sched_setaffinity(int(thread), processors)


def unpin() -> None:
    """Let this process use all processors again, and whatever it starts from now on."""
    if PROCESSORS:
        os.sched_setaffinity(0, PROCESSORS)
