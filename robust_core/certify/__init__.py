"""Certified robustness: the DSSN theorem for L1, smoothers, base classifiers and certified accuracy."""

from robust_core.certify.theorem import dssn_certificate, randomised_certificate
from robust_core.registry import Registry

__all__ = ["SMOOTHERS", "dssn_certificate", "randomised_certificate"]

SMOOTHERS = Registry("smoother", ("robust_core.certify.smoothers",))
