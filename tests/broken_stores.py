"""Stores that break one promise each, and one that keeps no more than it must."""

from __future__ import annotations

from fnmatch import fnmatchcase
from itertools import islice
from math import inf
from time import sleep

from pyramid_beakerish.stores.base import Store
from pyramid_beakerish.stores.memory import MemoryStore


class Breaking(MemoryStore):
    """A memory store that breaks one promise."""


class NeverExpires(Breaking):
    def set(self, key, value, ttl):
        super().set(key, value, None)


class CreateReplaces(Breaking):
    def create(self, key, value, ttl):
        self.set(key, value, ttl)
        return True


class SwapIgnoresToken(Breaking):
    def swap(self, key, token, value, ttl):
        if super().load(key) is None:
            return False
        self.set(key, value, ttl)
        return True


class SwapRevives(Breaking):
    def swap(self, key, token, value, ttl):
        return super().swap(key, token, value, ttl) or super().create(key, value, ttl)


class DeleteIgnoresToken(Breaking):
    def delete(self, key, token=None):
        return super().delete(key)


class Truncates(Breaking):
    def set(self, key, value, ttl):
        super().set(key, value[:100_000], ttl)


class FoldsKeys(Breaking):
    def set(self, key, value, ttl):
        super().set(key.casefold(), value, ttl)

    def load(self, key):
        return super().load(key.casefold())


class FailsInChild(Breaking):
    def forked(self):
        self.load = None


class TokenIsAnother(Breaking):
    def load(self, key):
        entry = super().load(key)
        return entry and (entry[0], (entry[1],))


class RefusedCreateExtends(Breaking):
    def create(self, key, value, ttl):
        entry, _ = self._entries.get(key, (None, None))
        self._entries.update({key: (entry, inf)} if entry else {})
        return super().create(key, value, ttl)


class NeverShortens(Breaking):
    def set(self, key, value, ttl):
        _, before = self._entries.get(key, (None, 0))
        super().set(key, value, ttl)
        entry, expires = self._entries[key]
        self._entries[key] = entry, max(before, expires)


class SwapKeepsTtl(Breaking):
    def swap(self, key, token, value, ttl):
        _, before = self._entries.get(key, (None, None))
        swapped = super().swap(key, token, value, ttl)
        if swapped and ttl is None:
            self._entries[key] = self._entries[key][0], before
        return swapped


class TakesMonthsForDates(Breaking):
    def set(self, key, value, ttl):
        is_date = ttl is not None and ttl > 30 * 24 * 3600
        super().set(key, value, ttl - self._clock() if is_date else ttl)


class WholeSeconds(Breaking):
    def set(self, key, value, ttl):
        super().set(key, value, int(ttl or 0) or None)


class SweepsWhatWillExpire(Breaking):
    def sweep(self):
        return sum(self.delete(key) for key, (_, end) in [*self._entries.items()] if end < inf)


class LoadsInPairs(Breaking):
    def load_many(self, keys):
        found = map(self.load, keys)
        return {key: entry for key, entry in zip(keys, found, strict=False) if entry}


class LoadsOneHundred(Breaking):
    def load_many(self, keys):
        return super().load_many(islice(keys, 100))


class ListsOneHundred(Breaking):
    def keys(self, prefix):
        return islice(super().keys(prefix), 100)


class PrefixIsAPattern(Breaking):
    def keys(self, prefix):
        return (key for key in super().keys("") if fnmatchcase(key, prefix + "*"))


class PrefixIsLike(Breaking):
    def keys(self, prefix):
        return (key for key in super().keys("") if fnmatchcase(key, prefix.replace("_", "?") + "*"))


class PrepareEmpties(Breaking):
    def prepare(self):
        self._entries.clear()


class DeleteTrimsKeys(Breaking):
    def delete(self, key, token=None):
        return super().delete(key.strip(), token)


class CreateTruncates(Breaking):
    def create(self, key, value, ttl):
        return super().create(key, value[:100_000], ttl)


class DropsTrailingSpace(Breaking):
    def set(self, key, value, ttl):
        super().set(key, value.rstrip(b" "), ttl)


class DeleteLooksFirst(Breaking):
    def delete(self, key, token=None):
        entry = self.load(key)
        sleep(0.001)
        return bool(entry and token in (None, entry[1]) and super().delete(key))


class SwapLooksFirst(Breaking):
    def swap(self, key, token, value, ttl):
        entry = self.load(key)
        sleep(0.001)
        return bool(entry and token == entry[1] and not self.set(key, value, ttl))


class CloseEmpties(Breaking):
    def close(self):
        self._entries.clear()


class NoKeys(MemoryStore):
    """A store that does no more than it must."""

    sweep = Store.sweep
    close = Store.close

    def keys(self, prefix):
        return None
