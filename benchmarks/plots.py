"""The plots of docs/performance, drawn from benchmarks.json.

python -m benchmarks.plots
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

from .million import HITS
from .payloads import TITLES
from .regions import IN_MEMORY_TITLE, ONE

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCS = Path(__file__).parent.parent / "docs"
#: What two figures of the same may differ by.
MOST_APART = 1.2
#: To be read on white and on black alike.
INK, COLORS = "#808080", ("#2f81f7", "#d9822b", "#3fa45b", "#a371f7")
STYLE = {
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlesize": 10,
    "font.size": 9,
    "grid.color": INK,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "svg.fonttype": "none",  # text stays text, in the reader's own font
    "svg.hashsalt": "the same names in each file that is drawn anew",
    "xtick.color": INK,
    "ytick.color": INK,
}


def draw(measured: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw what a session costs by its size, and a hit by the number of entries."""
    tables = {table["title"]: table["times"] for table in measured["tables"]}
    payload = {f"{what} one key": tables[title] for what, title in TITLES.items()}
    entries = {"a hit of a region in memory": tables[HITS]}
    with mpl.rc_context(STYLE):
        return [
            _draw(payload, "keys in the session", folder / "performance_payload.svg"),
            _draw(entries, "entries in the region", folder / "performance_entries.svg"),
        ]


def _draw(panels: Mapping[str, Any], across: str, path: Path) -> Path:
    figure = Figure(figsize=(4.2 * len(panels), 3.2), layout="constrained")
    all_axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (title, columns) in zip(all_axes, panels.items(), strict=True):
        _draw_lines(axes, columns)
        axes.set(title=title, xlabel=across, xscale="log", yscale="log")
        axes.grid()
    all_axes[0].set_ylabel("microseconds")
    all_axes[0].legend()
    figure.savefig(path, transparent=True, metadata={"Date": None})
    return path


def _draw_lines(axes: Any, columns: Mapping[str, Any]) -> None:
    sizes = [int(column.split()[0].replace(",", "")) for column in columns]
    names = dict.fromkeys(name for times in columns.values() for name in times)
    for name, color in zip(names, COLORS, strict=False):
        medians = [times[name][0] for times in columns.values()]
        axes.plot(sizes, medians, color=color, marker="o", markersize=3, label=name)


def contradictions(measured: Mapping[str, Any]) -> list[str]:
    """Name those whose hit of one entry differs between the plot and the table of regions.

    Both are the same hit: one of the two was measured while the machine did something else.
    """
    drawn, told = (
        next((t["times"][ONE] for t in measured["tables"] if t["title"] == title), {})
        for title in (HITS, IN_MEMORY_TITLE)
    )
    pairs = {name: (drawn[name][0], told[name][0]) for name in drawn.keys() & told.keys()}
    return [
        f"a hit of {name} takes {one:.3f} in the plot and {other:.3f} in the table of regions"
        for name, (one, other) in sorted(pairs.items())
        if max(one, other) > MOST_APART * min(one, other)
    ]


def main() -> None:
    """Draw them anew, and name the files; figures that contradict each other are not drawn."""
    measured = json.loads(Path("benchmarks.json").read_text(encoding="utf-8"))
    if found := contradictions(measured):
        again = "measure them again: python -m benchmarks regions million"
        sys.exit("\n".join([*found, again]))
    print(*draw(measured, DOCS), sep="\n")


if __name__ == "__main__":
    main()
