"""The tour's code runs from top to bottom as printed, and prints what the page says that it prints."""

import contextlib
import io
import re

from robust_core.paths import ROOT

_BLOCK = re.compile(r"```python\n(.*?)```(?:\n+```text\n(.*?)```)?", re.DOTALL)


def test_the_tour_prints_what_it_says():
    page = (ROOT / "docs" / "tour.md").read_text(encoding="utf-8")
    blocks, names = _BLOCK.findall(page), {"__name__": "tour"}
    assert len(blocks) > 8
    for code, shown in blocks:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(code, "docs/tour.md", "exec"), names)
        assert out.getvalue() == shown, code
