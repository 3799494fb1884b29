"""What the tests of the Redis store have in common."""

from __future__ import annotations

import threading
from abc import abstractmethod
from contextlib import contextmanager

from pyramid_beakerish.testing import StoreSuite
from tests.servers import running
from tests.servers.redis import RedisServer

#: Takes so many milliseconds off the time that every entry has left to live.
AGE = """
for _, name in ipairs(redis.call('KEYS', '*')) do
  local left = redis.call('PTTL', name)
  if left > 0 then redis.call('PEXPIRE', name, left - ARGV[1]) end
end
"""


#: What the tests themselves ask, and what a new connection says of itself.
NOT_COUNTED = {"config|resetstat", "info", "client|setinfo"}


def commands(client, work):
    """Call the function, and give the commands that the server has obeyed meanwhile."""
    client.config_resetstat()
    work()
    counted = {name[8:]: stats["calls"] for name, stats in client.info("commandstats").items()}
    return {name: calls for name, calls in counted.items() if name not in NOT_COUNTED}


def age(client, seconds):
    """Have the server's entries expire as if the time had passed: nobody waits for it."""
    client.eval(AGE, 0, int(seconds * 1000))


@contextmanager
def no_more_threads():
    """Have no new thread begin: the stack of each would take more than there is to be addressed."""
    usual = threading.stack_size(1 << 47)
    try:
        yield
    finally:
        threading.stack_size(usual)


def empty(server):
    """Give a client of the server, of which all entries are gone."""
    client = server.client()
    client.flushall()
    return client


class RedisSuite(StoreSuite):
    """The store contract on a real server, of the ``kind``."""

    kind = RedisServer

    def make_store(self, clock, folder):
        self.server = running(self.kind)
        self.clients = [empty(node) for node in self.nodes()]
        return self.connect()

    def nodes(self):
        """Give the servers that hold entries."""
        return [self.server]

    @abstractmethod
    def connect(self):
        """Make the store."""

    def pass_time(self, seconds):
        for client in self.clients:
            age(client, seconds)

    def teardown_method(self):
        super().teardown_method()
        for client in self.clients:
            client.close()
