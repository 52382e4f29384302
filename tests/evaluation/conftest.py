"""Fixtures that the tests of this folder share."""

from helpers.experiments import models  # noqa: F401
