"""What Redis servers tell about themselves, in the words of the store contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..facts import Advice, StoreFacts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    #: Numbers and texts by name; clients turn some texts into numbers.
    Info = Mapping[str, Any]

#: Valkey tells a version of Redis too, for the sake of old clients.
VERSIONS = (("Valkey", "valkey_version"), ("Redis", "redis_version"))

#: What is needed of INFO; every server has had it since Redis 4.
NEEDED = (
    "redis_version",
    "used_memory",
    "maxmemory",
    "maxmemory_policy",
    "evicted_keys",
    "aof_enabled",
)

MANAGEMENT = "https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/"
EVICTION = "https://redis.io/docs/latest/develop/reference/eviction/"

REMEDIES = {
    "persistent": Advice("set appendonly yes", MANAGEMENT),
    "evicts": Advice("set maxmemory-policy noeviction", EVICTION),
}


def facts_told(infos: Iterable[Any], saves: Iterable[Any]) -> StoreFacts:
    """Give the facts in all servers' answers to INFO and CONFIG GET save.

    Either may be empty, if a server has refused to answer.
    """
    told = [_info(answer) for answer in infos]
    facts = StoreFacts(reach="network", remedies=REMEDIES)
    if told and all(name in info for info in told for name in NEEDED):
        facts.update(_of_memory(told))
        facts["version"] = ", ".join(sorted({_version(info) for info in told}))
        persistent = _persistent(told, [_save_points(answer) for answer in saves if answer])
        if persistent is not None:
            facts["persistent"] = persistent
    return facts


def _info(answer: Any) -> Info:
    if isinstance(answer, dict):  # clients parse it
        return answer
    lines: list[str] = answer.decode().splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def _version(info: Info) -> str:
    return next(f"{name} {info[key]}" for name, key in VERSIONS if key in info)


def _of_memory(told: Sequence[Info]) -> StoreFacts:
    used, most, evicted = (
        [int(info[name]) for info in told] for name in ("used_memory", "maxmemory", "evicted_keys")
    )
    policies = [info["maxmemory_policy"] for info in told if int(info["maxmemory"])]
    facts = StoreFacts(used=sum(used), evicts=any(name != "noeviction" for name in policies))
    if all(most):
        facts["free"] = max(0, sum(most) - sum(used))
    if any(evicted):
        remark = f"{sum(evicted)} entries were evicted before they expired: raise maxmemory."
        facts["remarks"] = (Advice(remark, EVICTION),)
    return facts


def _persistent(told: Sequence[Info], saves: Sequence[bytes]) -> bool | None:
    """Tell whether all servers write to disk, each change or snapshots; ``None`` if unknown."""
    appends = [int(info["aof_enabled"]) > 0 for info in told]
    if all(appends):
        return True
    if len(saves) < len(appends):
        return None
    return all(map(any, zip(appends, saves, strict=True)))


def _save_points(answer: Any) -> bytes:
    """Give a server's rules for writing snapshots; RESP3 answers with a map, not a list."""
    pairs = answer.items() if isinstance(answer, dict) else zip(*[iter(answer)] * 2, strict=True)
    return b" ".join(value for _, value in pairs)
