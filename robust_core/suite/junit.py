"""A suite's findings as JUnit XML, which every CI service can show.

Format: the common core of what Ant, Maven and Jenkins write (https://github.com/testmoapp/junitxml): testsuites,
testsuite, testcase, failure, skipped, properties, system-out.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as Tree

from robust_core.suite.bounds import CLOSE, FAILS
from robust_core.suite.running import NOT_TESTED

# XML 1.0 has no sign for these, not even an escaped one.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FIGURES = ("at_least", "measured", "low", "high", "n", "seen", "of")


def write_junit(name: str, model: str, rows: Sequence[Mapping[str, Any]], strict: bool) -> bytes:
    """Return JUnit XML of findings.

    Args:
        name: Name of the suite.
        model: Id of the model.
        rows: Findings as `running.Finding.describe` has them, each with `line`, the finding in one sentence.
        strict: Whether what could not be decided, or was not tested, is a failure.
    """
    failed = [row["verdict"] == FAILS or strict and row["verdict"] in (CLOSE, NOT_TESTED) for row in rows]
    skipped = [row["verdict"] == NOT_TESTED and not strict for row in rows]
    counts = {"tests": str(len(rows)), "failures": str(sum(failed)), "errors": "0", "skipped": str(sum(skipped)),
              "time": f"{sum(row['seconds'] for row in rows):.3f}"}
    root = Tree.Element("testsuites", {"name": _clean(name), **counts})
    suite = Tree.SubElement(root, "testsuite", {"name": _clean(name), **counts})
    for row, fails, skips in zip(rows, failed, skipped, strict=True):
        case = Tree.SubElement(suite, "testcase", {"classname": _clean(f"robust.{model}"), "name": _clean(row["check"]),
                                                   "time": f"{row['seconds']:.3f}"})
        properties = Tree.SubElement(case, "properties")
        for figure in _FIGURES:
            Tree.SubElement(properties, "property", {"name": figure, "value": f"{row[figure]}"})
        if fails:
            failure = Tree.SubElement(case, "failure", {"message": _clean(row["line"]), "type": row["verdict"]})
            failure.text = _clean("\n".join([row["line"], *row["failures"]]))
        elif skips:
            Tree.SubElement(case, "skipped", {"message": _clean(row["reason"])})
        else:
            Tree.SubElement(case, "system-out").text = _clean("\n".join([row["line"], *row["failures"]]))
    Tree.indent(root)
    return Tree.tostring(root, "utf-8", xml_declaration=True)


def _clean(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)
