"""Leases, on a store that shares the clock with those who wait."""

from __future__ import annotations

import pytest

from pyramid_beakerish.errors import LockTimeout
from pyramid_beakerish.settings import StoreSettings
from pyramid_beakerish.stores import open_store
from pyramid_beakerish.stores.lease import Lease
from pyramid_beakerish.testing.together import in_threads


@pytest.fixture(params=["memory", "file", "sqlite"])
def store(request, clock, tmp_path):
    settings = StoreSettings(type=request.param, data_dir=str(tmp_path))
    store = open_store(settings, clock)
    yield store
    store.close()


@pytest.fixture
def lease(store, clock):
    """Give a function that makes a lease of one name for 30 seconds."""
    return lambda name="name", **more: Lease(
        store, name, 30, **{"sleep": clock.advance, "clock": clock, **more}
    )


def test_one_holder(lease):
    """A lease that is held is not given to anybody else, and is free after its release."""
    one, other = lease(), lease()
    assert one.acquire(0) is True
    assert other.acquire(0) is False
    assert one.release() is True
    assert other.acquire(0) is True


def test_names_are_apart(lease):
    """Leases of different names have nothing to do with each other."""
    assert lease("a").acquire(0)
    assert lease("b").acquire(0)


def test_not_a_key_of_the_store(lease, store):
    """A lease on a name leaves the entry of that name alone, and does not begin with it."""
    lease("session:1").acquire(0)
    assert store.load("session:1") is None
    assert list(store.keys("session:")) == []


def test_waiting_until_released(lease, clock):
    """Who waits gets the lease as soon as it is released."""
    holder = lease()
    holder.acquire(0)
    begun = clock()
    pauses = []

    def sleep(seconds):
        pauses.append(seconds)
        clock.advance(seconds)
        if len(pauses) == 5:
            holder.release()

    assert lease(sleep=sleep).acquire(10) is True
    assert len(pauses) == 5
    assert all(0.005 <= pause <= 0.05 for pause in pauses)
    assert len(set(pauses)) > 1
    assert clock() - begun < 1


def test_waiting_in_vain(lease, clock):
    """Who has waited as long as they were willing to does not get the lease."""
    lease().acquire(0)
    begun = clock()
    assert lease().acquire(2) is False
    assert 2 <= clock() - begun < 2.1


def test_waiting_until_it_ends_by_itself(lease, clock):
    """The lease of a holder that is never heard of again ends after its seconds."""
    lease().acquire(0)
    begun = clock()
    assert lease().acquire(60) is True
    assert 30 <= clock() - begun < 30.1


def test_a_late_release_ends_nothing(lease, clock):
    """Who has outlived their lease does not end that of the next holder."""
    late, following = lease(), lease()
    late.acquire(0)
    clock.advance(30)
    following.acquire(0)
    assert late.release() is False
    assert lease().acquire(0) is False
    assert following.release() is True


def test_release_without_a_lease(lease):
    """Releasing what was never acquired does nothing, also while somebody else holds it."""
    assert lease().release() is False
    holder = lease()
    holder.acquire(0)
    assert lease().release() is False
    assert holder.release() is True


def test_a_lost_answer(lease, store, clock):
    """Who finds that the lease is theirs, as the answer to their first attempt was lost, has it."""

    class Forgetful:
        def __getattr__(self, name):
            return getattr(store, name)

        def create(self, key, value, ttl):
            store.create(key, value, ttl)
            return False

    mine = Lease(Forgetful(), "name", 30, sleep=clock.advance, clock=clock)
    assert mine.acquire(1) is True
    assert mine.release() is True


def test_context_manager(lease):
    """The block runs while the lease is held, which ends with it, even by an error."""

    def fail_while_holding():
        with lease() as held:
            assert isinstance(held, Lease)
            assert lease().acquire(0) is False
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_while_holding()
    assert lease().acquire(0) is True


def test_context_manager_in_vain(lease, clock):
    """A block that cannot get the lease in time does not run."""
    lease("secret").acquire(0)
    begun = clock()
    with pytest.raises(LockTimeout, match=r"^somebody else held the lease for more than 3 s$"):
        lease("secret", wait=3).__enter__()
    assert clock() - begun >= 3


def test_one_of_many_threads(lease):
    """Of 8 threads that ask at once, one gets the lease."""
    leases = [lease() for _ in range(8)]
    assert sum(in_threads(8, lambda number: leases[number].acquire(0))) == 1
