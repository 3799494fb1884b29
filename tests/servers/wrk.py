"""The program that makes the load of a benchmark."""

from __future__ import annotations

from .process import Server


class Wrk(Server):
    """It is no server, and is missed as one is."""

    programs = ("wrk",)
    debian = "wrk"
