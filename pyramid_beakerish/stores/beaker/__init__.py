"""Beaker's back ends as stores of this package."""
