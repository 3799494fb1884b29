"""Redis servers: one, one that is reached in other ways, a Sentinel's, a cluster."""

from __future__ import annotations

import itertools
import time

import redis

from .process import HOST, PATIENCE, Server, free_port, program, run


class RedisServer(Server):
    """redis-server, without persistence unless ``options`` say otherwise."""

    programs = ("redis-server",)
    debian = "redis-server"
    options: tuple[str, ...] = ("--save", "", "--appendonly", "no")

    def command(self) -> list[str]:
        """Run in the foreground."""
        where = ("--bind", HOST, "--port", str(self.port), "--dir", str(self.folder))
        return [program("redis-server"), *where, *self.options]

    def answers(self) -> bool:
        """Ask for a PONG, which it does not give while it reads its data."""
        try:
            return bool(self.client().ping())
        except redis.RedisError:
            return False

    def client(self) -> redis.Redis:
        """Give a client for the tests' own questions."""
        return redis.Redis(HOST, self.port, protocol=2, socket_timeout=PATIENCE)

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"redis://{HOST}:{self.port}/0"


class SecureRedisServer(RedisServer):
    """A redis-server with TLS, a unix socket, and a user who may do what a store does, no more."""

    programs = ("redis-server", "openssl")
    debian = "redis-server openssl"
    #: As the page on Redis has them.
    rights = "~beakerish:* +get +mget +set +del +getrange +eval +evalsha +scan +select"

    def prepare(self) -> None:
        """Make a certificate that this host signs itself."""
        self.tls_port = free_port()
        made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        made += ["-nodes", "-days", "1", "-subj", "/CN=localhost", "-keyout", self._file("key")]
        names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
        made += ["-addext", names, "-out", self.certificate]
        run(made)

    def command(self) -> list[str]:
        """Listen in three ways."""
        tls = ["--tls-port", str(self.tls_port), "--tls-auth-clients", "no"]
        tls += ["--tls-cert-file", self.certificate, "--tls-key-file", self._file("key")]
        user_options = ["--user", "store", "on", ">secret", *self.rights.split()]
        return [*super().command(), *tls, "--unixsocket", self.socket, *user_options]

    @property
    def certificate(self) -> str:
        """The file that holds it."""
        return self._file("certificate")

    @property
    def socket(self) -> str:
        """The path of its unix socket."""
        return self._file("socket")

    def _file(self, name: str) -> str:
        return str(self.folder / name)


class _Replica(RedisServer):
    """A redis-server that copies another."""

    master_port = 0

    def command(self) -> list[str]:
        """Follow the master."""
        return [*super().command(), "--replicaof", HOST, str(self.master_port)]


class _Sentinel(RedisServer):
    """A redis-sentinel that watches one master and decides alone."""

    master_port = 0

    def command(self) -> list[str]:
        """Rewrite its configuration as it goes on."""
        file = self.folder / "sentinel.conf"
        file.write_text(
            f"port {self.port}\nbind {HOST}\ndir {self.folder}\n"
            f"sentinel monitor mymaster {HOST} {self.master_port} 1\n"
            "sentinel down-after-milliseconds mymaster 600\n"
            "sentinel failover-timeout mymaster 2000\n"
        )
        return [program("redis-sentinel"), str(file)]


class WatchedRedisServer(RedisServer):
    """A master with a ``replica`` and a ``sentinel``, which calls it ``mymaster``."""

    programs = ("redis-server", "redis-sentinel")
    debian = "redis-server redis-sentinel"

    def start(self) -> None:
        """Start all three, and wait until they know each other."""
        super().start()
        self.replica, self.sentinel = (self._other(kind) for kind in (_Replica, _Sentinel))
        self.replica.start()
        self.sentinel.start()
        until(lambda: self.replica.client().info("replication")["master_link_status"] == "up")
        until(self._replica_is_known)

    def _replica_is_known(self) -> bool:
        replicas = self.sentinel.client().sentinel_slaves("mymaster")
        return [replica["master-link-status"] for replica in replicas] == ["ok"]

    def _other(self, kind):
        folder = self.folder / kind.__name__
        folder.mkdir()
        other = kind(folder)
        other.master_port = self.port
        return other

    def command(self) -> list[str]:
        """Do not wait for more replicas before copying to one."""
        return [*super().command(), "--repl-diskless-sync-delay", "0"]

    def __exit__(self, *error: object) -> None:
        for server in (self.sentinel, self.replica, super()):
            server.kill()

    def stop(self) -> None:
        """Stop all three; to kill it leaves the others to do their work."""
        for server in (self.sentinel, self.replica, super()):
            server.stop()

    def wait_for_failover(self) -> None:
        """Wait until clients are sent to what was the replica."""
        sentinel, replica = self.sentinel.client(), self.replica
        until(lambda: sentinel.sentinel_master("mymaster")["port"] == replica.port)
        until(lambda: replica.client().role()[0] == b"master")


class _Node(RedisServer):
    """One server of a cluster."""

    def prepare(self) -> None:
        """Find a port for the nodes to talk to each other."""
        self.bus_port = free_port()

    def command(self) -> list[str]:
        """Be a node."""
        bus = ("--cluster-port", str(self.bus_port), "--cluster-node-timeout", "1000")
        return [*super().command(), "--cluster-enabled", "yes", *bus]


class ClusterRedisServer(_Node):
    """A cluster of three nodes, of which this is one."""

    def start(self) -> None:
        """Start all three; the first time, divide the slots between them."""
        first = not hasattr(self, "others")
        if first:
            self.others = [self._other(number) for number in "12"]
        for node in self.others:
            node.start()
        super().start()
        if first:
            self._join()
        self.wait_until_ok()

    def wait_until_ok(self) -> None:
        """Wait until all nodes find that all slots are served."""
        until(lambda: all(node.client().cluster("info")["cluster_state"] == "ok" for node in self))

    def __iter__(self):
        return iter([self, *self.others])

    def _other(self, number: str) -> _Node:
        folder = self.folder / number
        folder.mkdir()
        return _Node(folder)

    def _join(self) -> None:
        bounds = (0, 5461, 10923, 16384)
        for node, (start, end) in zip(self, itertools.pairwise(bounds), strict=True):
            node.client().execute_command("CLUSTER ADDSLOTSRANGE", start, end - 1)
            self.client().execute_command("CLUSTER MEET", HOST, node.port, node.bus_port)

    def _end(self, number: int) -> None:
        for node in getattr(self, "others", ()):
            node._end(number)
        super()._end(number)

    def pause(self) -> None:
        """Have all nodes answer nothing."""
        for node in self.others:
            node.pause()
        super().pause()

    def resume(self) -> None:
        """Have all nodes go on."""
        for node in self.others:
            node.resume()
        super().resume()


def until(condition) -> None:
    """Wait until something is the case which only time can bring."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
