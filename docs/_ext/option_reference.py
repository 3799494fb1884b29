"""Directives that show the tables in the code: the options, and the changed defaults."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from sphinx.util.docutils import SphinxDirective

from pyramid_beakerish.settings import OptionRow, option_table
from pyramid_beakerish.settings.differences import CHANGED_DEFAULTS, ChangedDefault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from docutils.nodes import Node
    from sphinx.application import Sphinx

MARKUP = re.compile(r"([*`|_\\])")


class OptionReference(SphinxDirective):
    """Describes each option under ``session``, ``cache`` or ``beakerish``."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[Node]:
        rows = [row for row in option_table() if row.scope == self.arguments[0]]
        lines = [line for row in rows for line in described(row)]
        return self.parse_text_to_nodes("\n".join(lines))


class ChangedDefaults(SphinxDirective):
    """Lists the options that have another default than in pyramid_beaker."""

    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[Node]:
        rows = [("Setting", "pyramid_beaker", "Here", "Why"), *map(changed, CHANGED_DEFAULTS)]
        lines = [".. list-table::", "   :header-rows: 1", ""]
        for first, *others in rows:
            lines += [f"   * - {first}", *(f"     - {cell}" for cell in others)]
        return self.parse_text_to_nodes("\n".join(lines))


def changed(row: ChangedDefault) -> tuple[str, ...]:
    name = f":confval:`session.{row.name}`"
    return name, f"``{row.there}``", f"``{row.here}``", plain(row.why)


def described(row: OptionRow) -> Iterator[str]:
    yield f".. confval:: {row.scope}.{row.name}"
    yield ""
    yield f"   {plain(row.help)}"
    if row.types:
        yield f"   Read where the type is {plain(row.types)}."
    if row.needed_by:
        yield f"   Needed by type {plain(row.needed_by)}."
    if row.inert:
        yield f"   Without effect on this package's own sessions and stores: {plain(row.inert)}."
    yield f"   Takes {plain(row.allowed)}. Default: ``{row.default}``."
    yield ""


def plain(text: str) -> str:
    return MARKUP.sub(r"\\\1", text)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("option-reference", OptionReference)
    app.add_directive("changed-defaults", ChangedDefaults)
    return {"parallel_read_safe": True}
