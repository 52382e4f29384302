"""Options of the pytest plug-in: `pytest --robust-suite suite.toml` makes each limit of a suite a test.

Every pytest of an environment with this package imports this module, so it imports nothing: what does the work is
`pytest_suite`, which comes in only where a suite is named.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_addoption(parser: "pytest.Parser") -> None:
    """Add the options."""
    group = parser.getgroup("robust", "limits of a text classifier (docs/ci.md)")
    group.addoption("--robust-suite", default="", metavar="FILE", help="TOML file of limits; each becomes a test")
    group.addoption("--robust-model", default="", metavar="MODEL", help="model, instead of the suite's own")
    group.addoption("--robust-data", default="", metavar="FILE", help="labelled texts, instead of the suite's own")
    group.addoption("--robust-minutes", default=0.0, type=float, metavar="N", help="time for all limits together")
    group.addoption("--robust-device", default="auto", metavar="NAME", help="where the model runs")
    group.addoption("--robust-strict", action="store_true",
                    help="fail as well what is too close to call or could not be tested")


def pytest_configure(config: "pytest.Config") -> None:
    """Bring in what collects the suite, if there is one."""
    config.addinivalue_line("markers", "robust: a limit of a robustness suite")
    if config.getoption("--robust-suite"):
        config.pluginmanager.import_plugin("robust_core.cli.pytest_suite")
