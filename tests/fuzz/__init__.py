"""Whatever comes in, by the cookie or out of a damaged store: what it must not do, and cases of it.

Three promises: no error but our own, nothing stored that was not asked for, nothing executed. The
tests try some cases each time (test_fuzz.py), ``make fuzz`` tries a million.
"""
