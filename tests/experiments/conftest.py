"""Fixtures that the tests of this folder share."""

from helpers.encoders import folder  # noqa: F401
from helpers.experiments import models  # noqa: F401
