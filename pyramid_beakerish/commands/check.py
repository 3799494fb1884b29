"""``beakerish check``: the settings, their mistakes, the stores, and advice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..settings import effective_options, examine_settings
from ..settings.differences import IN_CODE, differing_defaults
from .advice import all_advice
from .ini import add_ini, load_ini
from .progress import progress
from .report import Fact, Table
from .stores import examine, used_stores

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Sequence

    from ..settings import Settings
    from .ini import Commands, Ini, Parser, Result
    from .report import Part
    from .stores import Examined

NOT_STARTED = (
    "The application was not started: what its code sets or includes is not in this report."
)


def add_to(commands: Commands) -> Iterator[Parser]:
    """Add the sub-command to the command line."""
    parser = commands.add_parser("check", help="check the settings, and contact the stores")
    add_ini(parser)
    parser.add_argument(
        "--from",
        dest="origin",
        choices=["pyramid_beaker"],
        help="tell what will be different for an application that comes from there",
    )
    parser.set_defaults(run=run)
    yield parser


def run(options: argparse.Namespace) -> Result:
    """Check everything; the exit code is 1 for a mistake, or for a store that cannot be used."""
    ini = load_ini(options)
    read, mistakes = examine_settings(ini.settings)
    stores = [] if mistakes else _examine_all(read)
    failed = bool(mistakes) or any(found.failure for found in stores)
    parts: list[Part] = [
        settings_table(ini),
        Table("mistakes", "Mistakes", ["mistake"], [[text] for text in mistakes], "No mistakes."),
        *([stores_table(stores)] if stores else []),
        Table("advice", "Advice", ["advice", "see"], all_advice(ini, read, stores)),
        *(differences(read) if options.origin else []),
        Fact("note", NOT_STARTED, NOT_STARTED, "dim"),
        *import_failure(ini),
        _verdict(len(mistakes), stores),
    ]
    return parts, int(failed)


def settings_table(ini: Ini) -> Table:
    """Give every setting with where its value comes from."""
    rows = [
        (o.key, o.value, "ini" if o.written else "default", o.default if o.written else "", o.help)
        for o in effective_options(ini.settings)
    ]
    columns = ["setting", "value", "from", "instead of", "meaning"]
    return Table("settings", "Settings", columns, rows, whole=["setting"])


def import_failure(ini: Ini) -> Iterator[Fact]:
    """Tell why the application cannot be imported, if it cannot; the rest is checked anyway."""
    if ini.not_imported:
        told = f"The application could not be imported here: {ini.not_imported}"
        yield Fact("not_imported", ini.not_imported, told, "yellow")


def stores_table(stores: Iterable[Examined]) -> Table:
    """Give the state of each store."""
    columns = ["store", "used for", "state", "round trip", "version", "room"]
    return Table("stores", "Stores", columns, [_store_row(found) for found in stores])


def differences(read: Settings) -> Iterator[Table]:
    """Give the changed defaults that these settings rely on, and all changes of behaviour."""
    rows = [
        (f"session.{changed.name}", changed.there, changed.here, changed.why)
        for changed in differing_defaults(read.session)
    ]
    columns = ["setting", "pyramid_beaker", "here", "why"]
    title = "Defaults that differ from pyramid_beaker's"
    yield Table("changed_defaults", title, columns, rows, whole=["setting"])
    yield Table("changed_code", "Other behaviour", ["what", "difference"], IN_CODE)


def _examine_all(read: Settings) -> list[Examined]:
    used = used_stores(read)
    with progress("Contacting the stores", len(used)) as step:
        found = []
        for one in used:
            found.append(examine(one))
            step()
    return found


def _store_row(found: Examined) -> Sequence[str]:
    facts = found.facts
    state = found.failure or facts.get("absent", "answers")
    trip = "" if found.seconds is None else f"{found.seconds * 1000:.2f} ms"
    return found.used.name, found.used.users, state, trip, facts.get("version", ""), _room(found)


def _room(found: Examined) -> str:
    facts = found.facts
    words = [
        *([f"{_bytes(facts['used'])} used"] if "used" in facts else []),
        *([f"{_bytes(facts['free'])} free"] if "free" in facts else []),
        *([f"{facts['entries']} entries"] if "entries" in facts else []),
        *([f"{facts['most_entries']} entries at most"] if "most_entries" in facts else []),
    ]
    return ", ".join(words)


def _bytes(number: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1024:
            return f"{number:.0f} {unit}"
        number /= 1024
    return f"{number:.1f} TB"


def _verdict(mistakes: int, stores: Iterable[Examined]) -> Fact:
    failures = sum(found.failure is not None for found in stores)
    if not (mistakes or failures):
        return Fact("ok", True, "All is well.", "green")
    without = "Once they are corrected, the stores are contacted, too."
    unusable_stores = f"Stores that cannot be used: {failures}."
    sentence = f"Mistakes: {mistakes}. {without}" if mistakes else unusable_stores
    return Fact("ok", False, sentence, "bold red")
