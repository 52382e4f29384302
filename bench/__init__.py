"""Measurements that stand behind figures in the README and in `results/`."""
