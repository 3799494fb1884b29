"""``beakerish secret``: a good secret, and how it takes the place of an old one."""

from __future__ import annotations

import secrets
import sys
from typing import TYPE_CHECKING

from .report import Fact

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from .ini import Commands, Parser, Result
    from .report import Part

SECRET_BYTES = 32

ROTATION = """\
Put it into the ini file; the lines after the first are indented:

    session.secret =
        {secret}
        the secret you have had until now

The first line signs, all of them verify, so nobody is logged out. Remove the old line once the \
cookies that it signed have expired: after session.timeout, 14 days by default, or the longest \
that set_lifetime gives."""


def add_to(commands: Commands) -> Iterator[Parser]:
    """Add the sub-command to the command line."""
    parser = commands.add_parser("secret", help="make a secret, and show how to rotate")
    parser.set_defaults(run=run)
    yield parser


def run(options: argparse.Namespace) -> Result:
    """Make a secret. A pipe gets the secret alone."""
    secret = secrets.token_urlsafe(SECRET_BYTES)
    parts: list[Part] = [Fact("secret", secret, secret, "bold")]
    if sys.stdout.isatty() and not options.json:
        lines = ROTATION.format(secret=secret).splitlines()
        parts.extend(Fact("rotation", line, line) for line in ["", *lines])
    return parts, 0
