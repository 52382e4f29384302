"""Measurements that stand behind figures in the README and in `results/`."""

import robust_core  # noqa: F401 (says how threads wait, before a benchmark loads torch)
