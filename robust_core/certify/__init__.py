"""Certified robustness: the DSSN theorem for L1, smoothers, base classifiers and certified accuracy."""
