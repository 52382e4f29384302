"""The number of the engine: raised by hand when the outcome of any attack or explanation changes.

`tests/attacks/test_golden.py` says when: it compares outcomes written down earlier with those of today, on the same
texts, models and tables. Each stored run and each row of an evaluation carries the number, so that results of another
engine are never taken for today's.
"""

ENGINE = 1
