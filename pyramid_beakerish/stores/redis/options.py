"""From settings to what speaks to Redis: one server, one that Sentinel names, or a cluster."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from redis import Redis, RedisCluster, RedisError
from redis.backoff import NoBackoff
from redis.cluster import REDIS_ALLOWED_KEYS, ClusterNode
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection, parse_url
from redis.retry import Retry
from redis.sentinel import Sentinel

from ...errors import SettingsError
from ...settings import convert
from .client import Client
from .connections import SOON, Connections
from .parameters import Given, parameters_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .server import Server

#: redis-py itself waits 5 s for a connection and as long, or for ever, for an answer.
CONNECT_TIMEOUT, TIMEOUT = 0.5, 1.0
#: RESP2: a connection needs no round trip before it can be used, unless it has to log in.
DEFAULTS = {
    "protocol": 2,
    "socket_connect_timeout": CONNECT_TIMEOUT,
    "socket_keepalive": True,
    "socket_timeout": TIMEOUT,
}
#: Several sentinels are asked one after the other, while a connection is waited for.
SENTINEL_TIMEOUT = 0.2
SENTINEL_PORT, PORT = 26379, 6379

OUR_SCHEMES = {"valkey": "redis", "valkeys": "rediss"}


def open_server(url: Any, options: Mapping[str, Any], key_prefix: str = "") -> Server:
    """Make what speaks to Redis; nothing is contacted yet.

    ``options`` have no ``redis.`` before their names. Raises `SettingsError`, which
    puts ``key_prefix`` and ``redis.`` before them.
    """
    given = Given(dict(options), key_prefix)
    server = _open(url, given)
    if server is None or given.mistakes:
        raise SettingsError(given.mistakes)
    return server


def _open(url: Any, given: Given) -> Server | None:
    factory = given.take("client_factory", convert.dotted_callable)
    if factory is not None or not (url is None or isinstance(url, str)):
        return _open_client(url, factory, given)
    nodes, sentinels = (given.take_addresses(*wanted) for wanted in ADDRESSES)
    is_cluster = given.take("cluster", convert.boolean) or bool(nodes)
    service = given.take("service_name", convert.text)
    if url is None and not (nodes or sentinels or given.mistakes):
        given.mistakes.append(f"{given.key_prefix}url is missing: it says where the server is.")
    parsed = _parse(url, given)
    if given.mistakes:
        return None
    if is_cluster:
        given.refuse_if(
            bool(sentinels), "sentinels", "cannot go with redis.cluster: leave one of them out"
        )
        return _open_cluster(parsed, nodes, given)
    if sentinels:
        return _open_sentinel(parsed, sentinels, service, given)
    given.refuse_if(service is not None, "service_name", "needs redis.sentinels")
    return _open_one(parsed, given)


ADDRESSES = (("startup_nodes", PORT), ("sentinels", SENTINEL_PORT))


def _parse(url: str | None, given: Given) -> dict[str, Any]:
    """Give what a URL says, in redis-py's words."""
    if url is None:
        return {}
    scheme, _, rest = url.partition(":")
    scheme = OUR_SCHEMES.get(scheme, scheme)
    try:
        parsed: dict[str, Any] = dict(parse_url(f"{scheme}:{rest}"))
        database = urlsplit(url).path.strip("/")
        if scheme != "unix" and database and not database.isdecimal():
            raise ValueError(database)  # redis-py would take the first database
    except ValueError:
        given.mistakes.append(
            f"{given.key_prefix}url is no URL of a Redis server: "
            "use redis://host:6379/0, rediss:// or unix:///path."
        )
        return {}
    return parsed


def _open_one(parsed: dict[str, Any], given: Given) -> Server:
    connection_class = parsed.pop("connection_class", Connection)
    options = _options(connection_class, parsed, given)
    return Connections(partial(connection_class, **options), options["socket_connect_timeout"])


def _options(connection_class: type, parsed: dict[str, Any], given: Given) -> dict[str, Any]:
    """Give the options of connections; ``parsed`` are those of the URL, which win."""
    parameters = parameters_of(connection_class)
    defaults = {name: value for name, value in DEFAULTS.items() if name in parameters}
    options = {**defaults, **given.read(parameters, parsed), **parsed}
    if not given.mistakes:
        try:
            connection_class(**options)
        except (RedisError, TypeError, ValueError) as error:
            given.mistakes.append(f"{given.key('*')} is refused by redis-py: {error}")
    return options


def _open_sentinel(
    parsed: dict[str, Any], sentinels: list[tuple[str, int]], service: str | None, given: Given
) -> Server:
    kind = parsed.pop("connection_class", Connection)
    given.refuse_if(service is None, "sentinels", "needs redis.service_name")
    given.refuse_if(
        bool(parsed.keys() & {"host", "port", "path"}),
        "sentinels",
        "tell the server's host, so the url must not: use redis://user:password@/0",
    )
    of_sentinels = _sentinel_options(kind, given)
    options = _options(kind, parsed, given)

    def make() -> Any:
        # Each connection asks anew, as it may be needed because of a failover; and it has its own
        # Sentinel, as redis-py's reorders its list, so that threads sharing one disturb each other.
        manager = Sentinel(sentinels, sentinel_kwargs=of_sentinels)
        host, port = manager.discover_master(service)
        for sentinel in manager.sentinels:
            sentinel.close()
        return kind(host=host, port=port, **options)

    return Connections(make, options["socket_connect_timeout"])


def _sentinel_options(kind: type, given: Given) -> dict[str, Any]:
    """Give the options of connections to the sentinels: those under ``redis.sentinel.``."""
    own = given.below("sentinel.")
    timeouts = {"socket_timeout": SENTINEL_TIMEOUT, "socket_connect_timeout": SENTINEL_TIMEOUT}
    read = own.read(parameters_of(kind), {})
    return {**DEFAULTS, **timeouts, **read, "ssl": kind is SSLConnection, "retry": no_retry()}


def _open_cluster(
    parsed: dict[str, Any], nodes: list[tuple[str, int]], given: Given
) -> Server | None:
    kind = parsed.pop("connection_class", Connection)
    given.refuse_if(
        kind is UnixDomainSocketConnection or bool(parsed.get("db")),
        "cluster",
        "has neither unix sockets nor databases: use a url such as redis://host:6379",
    )
    of_connections = parameters_of(kind)
    known = {name: of_connections[name] for name in of_connections if name in REDIS_ALLOWED_KEYS}
    options = given.read({**known, **parameters_of(RedisCluster)}, parsed)
    parsed.pop("db", None)
    if "host" in parsed:
        nodes = [(parsed.pop("host"), parsed.pop("port", PORT)), *nodes]
    given.refuse_if(not nodes, "cluster", "needs the host of a node in the url")
    options = {**DEFAULTS, **options, **parsed, "ssl": kind is SSLConnection}

    def make() -> RedisCluster:
        startup = [ClusterNode(host, port) for host, port in nodes]
        return RedisCluster(startup_nodes=startup, retry=no_retry(), **options)

    return Client(make, _patience(options))


def _open_client(url: Any, factory: Any, given: Given) -> Server | None:
    given.refuse_if(
        factory is not None and url is not None,
        "client_factory",
        "gives the client, so the url would have no effect: leave one of them out",
    )
    for name in given.options:
        given.refuse(name, "has no effect on your own client: leave one of them out.")
    if factory is None and not _serves(url):
        given.mistakes.append(f"{given.key_prefix}url {NO_CLIENT}")
        return None
    return Client(partial(_made_by, factory, given) if factory else lambda: url, _patience({}))


NO_CLIENT = "is no redis.Redis or redis.RedisCluster with decode_responses = False."


def _made_by(factory: Any, given: Given) -> Any:
    client = factory()
    if not _serves(client):
        raise SettingsError([f"{given.key_prefix}redis.client_factory gives what {NO_CLIENT}"])
    return client


def _serves(client: Any) -> bool:
    known = isinstance(client, (Redis, RedisCluster))
    return known and not client.get_encoder().decode_responses


def _patience(options: Mapping[str, Any]) -> float:
    """Give how long to wait for a client: as long as for a command on one server."""
    connect = options.get("socket_connect_timeout") or CONNECT_TIMEOUT
    return float(SOON + connect + (options.get("socket_timeout") or TIMEOUT))


def no_retry() -> Retry:
    """Give what keeps redis-py from trying again: a change may have happened the first time."""
    return Retry(NoBackoff(), 0)
