"""What a sub-command has to say, and its three forms: for a terminal, for a pipe, as JSON."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TextIO


@dataclass(frozen=True)
class Table:
    """Rows under a title; ``name`` and ``columns`` are what JSON calls them.

    If there are no rows, the sentence ``without`` is shown instead, unless it is ``None``. Text in
    the columns ``whole`` is not broken into lines, so that it can be copied.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    without: str | None = None
    whole: Sequence[str] = ()

    def as_data(self) -> list[dict[str, Any]]:
        """Give the rows as JSON has them."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


@dataclass(frozen=True)
class Fact:
    """One sentence, and its ``value`` in JSON under ``name``; ``style`` is a style of rich."""

    name: str
    value: Any
    sentence: str
    style: str = ""

    def as_data(self) -> Any:
        """Give what JSON has."""
        return self.value


Part = Table | Fact


def show(parts: Iterable[Part], *, as_json: bool = False, stream: TextIO | None = None) -> None:
    """Write a report: as JSON, as tables in a terminal, or as lines with tabs elsewhere."""
    out = stream or sys.stdout
    if isinstance(out, TextIOWrapper):
        # Latin-1, say, lacks most of the letters that users' devices and sessions' keys may have.
        out.reconfigure(errors="backslashreplace")
    if as_json:
        out.write(json.dumps({part.name: part.as_data() for part in parts}, indent=2) + "\n")
    elif out.isatty():
        console = Console(file=out, highlight=False)
        for part in parts:
            console.print(_styled(part))
    else:
        out.writelines(line + "\n" for part in parts for line in _lines(part))


def clean(value: Any) -> str:
    """Spell a value so that it cannot control the terminal, as a visitor may have sent it.

    https://cwe.mitre.org/data/definitions/150.html
    """
    text = "" if value is None else str(value)
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _styled(part: Part) -> RichTable | Text:
    # Text, not str: in a str rich would take square brackets for markup.
    if isinstance(part, Fact):
        return Text(clean(part.sentence), part.style)
    if not part.rows and part.without is not None:
        return Text(part.without, "dim")
    table = RichTable(title=part.title, title_justify="left", title_style="bold")
    for column in part.columns:
        table.add_column(column, overflow="fold", no_wrap=column in part.whole)
    for row in part.rows:
        table.add_row(*map(_cell, row))
    return table


def _cell(value: Any) -> Text:
    text = clean(value)
    # A terminal makes it one link, even where it takes two lines.
    return Text(text, f"link {text}" if text.startswith("https://") else "")


def _lines(part: Part) -> Iterable[str]:
    if isinstance(part, Fact):
        return [clean(part.sentence)]
    if not part.rows and part.without is not None:
        return [part.without]
    rows = ("\t".join(clean(cell) for cell in row) for row in part.rows)
    return [f"# {part.title}", "\t".join(part.columns), *rows]
