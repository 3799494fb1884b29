"""How long a server with earlier sessions is waited for: a page waits for it."""

#: Seconds for a connection, and for an answer.
CONNECT, ANSWER = 0.5, 1.0
