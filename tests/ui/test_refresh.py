"""What breaks on a page is one line and a button; a redraw that breaks is not tried again by itself."""

import logging
import re

import pytest
from helpers.pages import MODELS, app, attacked, doubles, page, settle  # noqa: F401 (a fixture)
from streamlit.testing.v1 import AppTest

from robust_core.errors import BadInput
from robust_core.jobs.manager import BROKEN
from robust_core.paths import ROOT
from ui.attack import downloads, live, overview
from ui.models import tables
from ui.saliency import grid


def runs(at: AppTest, times: int) -> list[str]:
    for _ in range(times):
        at.run()
        assert not at.exception
    return [w.value for w in at.warning]


@pytest.fixture
def tracebacks(caplog):
    """Return a function that counts the tracebacks in the log so far."""
    caplog.set_level(logging.ERROR)
    return lambda: sum(record.exc_info is not None for record in caplog.records)


def fail(*args, **more):
    raise ZeroDivisionError("nobody foresaw this")


@pytest.fixture(autouse=True)
def no_report(monkeypatch):
    """The report holds the table that is broken here as well; it is drawn elsewhere on the page."""
    monkeypatch.setattr(downloads, "to_html", lambda *args: "")


def test_a_failing_redraw_is_said_once_and_goes_on_when_asked_to(monkeypatch, tracebacks):
    at = attacked()
    with monkeypatch.context() as broken:
        broken.setattr(overview, "make_attack_table", fail)
        assert runs(at, 10) == [BROKEN] and tracebacks() == 1
        assert "Finished" not in page(at) and "Positive 95 %" in page(at), "the rest of the page is there"
        again = [b for b in at.button if b.label == "Try again"]
        assert len(again) == 1
        again[0].click()
        assert runs(at, 3) == [BROKEN] and tracebacks() == 2
    next(b for b in at.button if b.label == "Try again").click()
    assert runs(at, 2) == [] and "Finished" in page(at) and tracebacks() == 2


def test_a_redraw_that_is_refused_says_why_and_logs_nothing(monkeypatch, tracebacks):
    def refuse(*args, **more):
        raise BadInput("The table [is](http://x.example) full.")

    at = attacked()
    monkeypatch.setattr(overview, "make_attack_table", refuse)
    assert runs(at, 5) == [r"The table \[is\](http:color[&#58;]{}//x.example) full."] and tracebacks() == 0


def test_a_new_attack_is_drawn_although_the_last_one_failed(monkeypatch, tracebacks):
    at = attacked()
    with monkeypatch.context() as broken:
        broken.setattr(overview, "make_attack_table", fail)
        assert runs(at, 2) == [BROKEN]
    next(b for b in at.button if b.label == "Attack").click()
    at = settle(at)
    assert "Finished" in page(at)


@pytest.mark.parametrize("where, name, file", [(grid, "make_grid", "2_Saliency"), (tables, "make_overview", "9_Models"),
                                               (live, "show_predictions", "1_Attack")])
def test_a_page_that_breaks_is_one_line_and_the_sidebar_stays(monkeypatch, tracebacks, where, name, file):
    at = app()
    monkeypatch.setattr(where, name, fail)
    at.switch_page(f"pages/{file}.py")
    at.run()
    assert not at.exception and [w.value for w in at.warning] == [BROKEN] and tracebacks() == 1
    assert any(b.label == "Try again" for b in at.button)
    assert at.sidebar.multiselect or file == "9_Models"
    assert at.session_state["models"] == list(MODELS)


def test_timers_are_set_in_one_place():
    for path in [ROOT / "app.py", *(ROOT / "pages").glob("*.py"), *(ROOT / "ui").rglob("*.py")]:
        if path.name != "refresh.py":
            assert not re.search(r"run_every", path.read_text(encoding="utf-8")), path


def test_what_draws_itself_again_stands_alone_in_its_box():
    """Else what follows it may move into its place (Streamlit 1.67: see `refresh.make_fragment`)."""
    def script():
        import streamlit as st

        from ui.widgets import refresh

        def draw() -> bool:
            st.markdown("moving")
            return False

        refresh.make_fragment(draw, False)
        st.markdown("after")

    main = AppTest.from_function(script).run().main
    box, after = main.children[0], main.children[1]
    assert list(box.children) == [0] and after.value == "after"
    assert [e.value for e in box.markdown] == ["moving"]
