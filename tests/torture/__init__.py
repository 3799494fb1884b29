"""Many clients, several server processes, and a store that breaks: is every promise kept?

``make torture`` runs it on each store for a while; a short form is among the tests.
"""
