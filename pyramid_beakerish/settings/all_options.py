"""Every option there is, whoever obeys it, in the tables that settings are read with."""

from __future__ import annotations

from . import convert
from .backend_options import BACKEND, REGION
from .beaker_only import SESSION
from .option import Option
from .options import REGION_OPTIONS, SESSION_OPTIONS
from .pyramid_only import SIGNED_COOKIE_OPTIONS

#: The earlier configuration, whose options are those of sessions (`settings.previous`).
PREVIOUS: dict[str, Option] = {
    "previous.*": Option(
        convert=convert.anything,
        default=None,
        help="An option of the configuration that was in use before, such as previous.type.",
        obeyed_by="shell",
        secret=True,
    ),
}

#: Every option there is, by scope: this package's own come before Beaker's.
ALL_SESSION_OPTIONS = {
    **SESSION_OPTIONS,
    **PREVIOUS,
    **SIGNED_COOKIE_OPTIONS,
    **SESSION,
    **BACKEND,
}
ALL_REGION_OPTIONS = {**REGION_OPTIONS, **BACKEND, **REGION}


#: Prefixes after which an option may have any name.
OPEN_ENDED = ("sa.", "redis.", "previous.")


def find_option(table: dict[str, Option], name: str) -> Option | None:
    """Give the option of that name; every name that begins with ``sa.`` is found as ``sa.*``."""
    prefix = next((prefix for prefix in OPEN_ENDED if name.startswith(prefix)), None)
    return table.get(name if prefix is None else f"{prefix}*")
