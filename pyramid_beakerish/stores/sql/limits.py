"""How long a database is waited for."""

#: Seconds to wait for a connection, for an answer, and for a connection of the pool.
CONNECT, ANSWER, POOL = 1.0, 1.5, 1
