"""From the written options of sessions to `SessionSettings`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from .backend_options import BACKEND
from .backends import backend_options, own_data_dir
from .convert import MINUTE
from .cookie_rules import broken_rules
from .option import EARLIER, GivenOptions
from .options import SESSION_OPTIONS, SessionSettings
from .previous import OWN_CLASSES, as_had_before, build_previous, may_have_had_others
from .pyramid_only import SIGNED_COOKIE
from .sentences import shown
from .session_messages import session_messages, weak_secrets
from .store_types import beaker_has, passes_on
from .type_option import drop_wrong_type
from .unknown import unknown_options

if TYPE_CHECKING:
    from .section import Report, Section

#: With these nothing remembers that a session has ended: an earlier cookie would bring it back.
FORGETFUL = {"type": "cookie", "format": "beaker"}
NOT_FOR_PYRAMID = "cannot go with signed cookies, which Pyramid keeps: leave it out."
#: pyramid_beaker takes these two out of the options that it shows.
NOT_LISTED_AS_GIVEN = ("cookie_on_exception", "constant_csrf_token")


def build_session(section: Section, report: Report) -> SessionSettings:
    """Give the settings that the section describes; mistakes and messages go to the report."""
    values = section.convert(report)
    # With a namespace_class Beaker ignores the name of the type.
    if "namespace_class" not in values or not isinstance(values.get("type"), str):
        drop_wrong_type(section, values, report)
    given = dict(values)
    values.setdefault("type", "file" if "data_dir" in values else "memory")
    unknown = _unknown_options(section, values, report)
    _refuse_fixed_id(section, report)
    format_name = _format(section, values, report)
    previous = build_previous(section, values, build_session, report)
    if previous is None and may_have_had_others(section, values, format_name):
        # What may have served these settings before: Beaker, or this package on the way back.
        other = "beaker" if format_name == "beakerish" else "beakerish"
        before, said = as_had_before(values), as_had_before(given)
        previous = _settings(section, before, said, unknown, other)
    session = _settings(section, values, given, unknown, format_name, previous)
    _check(section, session, report)
    report.messages.extend(session_messages(section, session))
    return session


def _settings(
    section: Section,
    values: dict[str, Any],
    given: dict[str, Any],
    unknown: dict[str, Any],
    format_name: str,
    previous: SessionSettings | None = None,
) -> SessionSettings:
    fields = _fields(values, format_name)
    fields["previous"] = previous
    return SessionSettings(
        **fields,
        backend=GivenOptions({**backend_options(values, BACKEND), **unknown}),
        given=GivenOptions({n: v for n, v in given.items() if n not in NOT_LISTED_AS_GIVEN}),
        beaker_reason=None if "format" in values else _beaker_reason(section, values),
        key_prefix=section.prefix,
    )


def _refuse_fixed_id(section: Section, report: Report) -> None:
    if "id" in section.written:
        report.mistakes.append(
            f"{section.key('id')} would give all visitors one and the same session: leave it out."
        )


def _unknown_options(section: Section, values: dict[str, Any], report: Report) -> dict[str, Any]:
    names = [name for name in section.unknown() if name != "id"]
    handed_on = not values.keys().isdisjoint(OWN_CLASSES) or passes_on(values["type"])
    return unknown_options(section, names, handed_on, report)


def _beaker_reason(section: Section, values: dict[str, Any]) -> str | None:
    """Tell why only Beaker can keep these sessions, or give ``None``."""
    for name in OWN_CLASSES:
        if name in values:
            return f"{section.key(name)} is an option of Beaker's own sessions"
    return None


def _format(section: Section, values: dict[str, Any], report: Report) -> str:
    if values["type"] == SIGNED_COOKIE and "namespace_class" not in values:
        if "format" in values:
            report.mistakes.append(section.sentence("format", NOT_FOR_PYRAMID))
        return "pyramid"
    reason = _beaker_reason(section, values)
    chosen = str(values.get("format") or ("beaker" if reason else "beakerish"))
    if chosen == "beakerish" and reason:
        report.mistakes.append(section.sentence("format", f"cannot be obeyed: {reason}."))
    if chosen == "beaker" and "namespace_class" not in values and not beaker_has(values["type"]):
        report.mistakes.append(
            f"{section.key('type')} = {shown(values['type'])} is unknown to Beaker, "
            "which is to keep these sessions."
        )
    return chosen


def _fields(values: dict[str, Any], format_name: str) -> dict[str, Any]:
    fields = {name: option.default_in(format_name) for name, option in SESSION_OPTIONS.items()}
    fields.update((name, value) for name, value in values.items() if name in SESSION_OPTIONS)
    fields["format"] = format_name
    if format_name == "beakerish":
        fields["data_dir"] = own_data_dir(values)
    if "touch_interval" not in values and fields["timeout"] is not None:
        fields["touch_interval"] = min(fields["timeout"] / 10, MINUTE)
    return fields


def _check(section: Section, session: SessionSettings, report: Report) -> None:
    """Report the values that are right by themselves, but wrong together."""
    names = {name: section.key(name) for name in ("secure", "cookie_path", "cookie_domain")}
    for name, rule in broken_rules(vars(session)):
        report.mistakes.append(section.sentence(name, rule.format(**names)))
    if session.require_secret:
        report.mistakes.extend(weak_secrets(section, session))
    if session.previous is not None:
        _check_earlier_cookie(section, session, session.previous, report)
    if session.format == "beaker":
        _check_for_beaker(section, session, report)
    if session.format == "pyramid":
        _check_for_pyramid(section, session, report)


def _check_earlier_cookie(
    section: Section, session: SessionSettings, earlier: SessionSettings, report: Report
) -> None:
    """Require the earlier cookie's name, path and domain, so that a logout removes that cookie."""
    options = (name for name, value in FORGETFUL.items() if getattr(session, name) == value)
    forgetful = next(options, None)
    if forgetful is None or earlier.type not in ("cookie", SIGNED_COOKIE):
        return
    before = {name: getattr(earlier, name) for name in ("key", "cookie_path", "cookie_domain")}
    report.mistakes.extend(
        f"{section.key(name)} must be {shown(value)}, as in the earlier cookie: with "
        f"{section.key(forgetful)} = {FORGETFUL[forgetful]} the earlier cookie would otherwise log "
        "its visitor in again after a logout."
        for name, value in before.items()
        if getattr(session, name) != value
    )


def _check_for_pyramid(section: Section, session: SessionSettings, report: Report) -> None:
    if isinstance(session.cookie_expires, datetime):
        complaint = "is a date: signed cookies need a number of seconds."
        report.mistakes.append(section.sentence("cookie_expires", complaint))
    if session.given.get("serializer") == "pickle" and not section.is_earlier:
        complaint = "runs what is in a cookie: use it only under previous., for earlier sessions."
        report.mistakes.append(section.sentence("serializer", complaint))


def _check_for_beaker(section: Section, session: SessionSettings, report: Report) -> None:
    if session.type == "cookie" and f"{EARLIER}type" in session.given:
        report.mistakes.append(
            f"{section.key('type')} = cookie: Beaker cannot take over other sessions into a cookie."
        )
    if session.data_serializer == "msgpack":
        report.mistakes.append(
            section.sentence(
                "data_serializer",
                "is unknown to Beaker, which keeps these sessions: "
                "use json, pickle or an object with dumps and loads.",
            )
        )
    if session.timeout is not None and not session.save_accessed_time:
        report.mistakes.append(
            section.sentence(
                "save_accessed_time",
                f"cannot go with {section.key('timeout')} where Beaker keeps the sessions: "
                "leave one of them out.",
            )
        )
