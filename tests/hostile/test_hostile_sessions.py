"""Several people and work that nobody watches: cookies, addresses, limits, names of folders, texts that take long."""

import math
import threading
import time

import numpy as np
import pytest
from helpers.doubles import WordReader
from helpers.hostile import answer_or_line, check_line, expect_line, run_command
from helpers.pages import app, doubles, page  # noqa: F401 (doubles is used by pytest)

from robust_core import environment, owners, paths
from robust_core.errors import BadInput
from robust_core.evaluation import fluency
from robust_core.models import masked_lm
from robust_core.types import AttackResult, Example
from ui.shared import loaded, people
from ui.shared.background_cache import BackgroundCache, NobodyWatchesError
from ui.train import form

LOAD = masked_lm.load
NUMBERS = ["abc", "-1", "1.5", "1e9", "٣", "²", "9" * 50, "0x10", "1_000", "1 2", "NaN", "\x00", "+5", "∞"]
COOKIES = ["", "|", "2|", "2|||", "2|zz|zz|1", "2|00|" + "11" * 16 + "|x", "1|00|11|1", "2|00|" + "11" * 15 + "|1",
           "2|" + "00" * 1000 + "|" + "11" * 100_000 + "|1", "../../etc", "ü" * 100, "\x00", "2|0|1|1", "'2|00|11|1'",
           "2|" + "٣٣" + "|" + "11" * 16 + "|1", "a" * 1_000_000, "2|00|11|1|1", "${HOME}", "%2e%2e%2f", "null"]
TOKENS = ["x", "../../etc/passwd", "a" * 5000, "\x00", "ü", "[log in](http://127.0.0.1:9)", "<script>", "-1", "'; --"]
FOLDERS = ["/etc/passwd", "//host/share", "\\\\host\\share", "..", "../..", "a/../b", "./a", "~", "~root", "C:\\x",
           "file:///etc", "http://example.org/a", "a/b/c", "a//b", "/", ".", "a\nb", "a\x00b", "a" * 5000, "-rf", " a",
           "$HOME", "%2e%2e", "ü/ü", "a/", "\ud800", "a|b", "*", "a:b", ".hidden", "models/.git"]


@pytest.fixture(autouse=True)
def one_person_again():
    yield
    owners.tell_people_apart(str)


@pytest.mark.parametrize("value", NUMBERS)
@pytest.mark.parametrize("what", environment.LIMITS)
def test_a_limit_that_is_no_number_is_one_line(monkeypatch, what, value):
    if "\x00" in value:
        monkeypatch.setattr(environment, "read_variable", lambda name: value)
    else:
        monkeypatch.setenv(f"ROBUST_{what.upper()}", value)
    expect_line(lambda: environment.read_limit(what), f"ROBUST_{what.upper()} must be a whole number")


@pytest.mark.parametrize("what", environment.LIMITS)
def test_a_blank_limit_is_the_usual_one(monkeypatch, what):
    monkeypatch.setenv(f"ROBUST_{what.upper()}", "  ")
    assert environment.read_limit(what) == environment.LIMITS[what] > 0


@pytest.mark.parametrize("cookie", COOKIES)
def test_no_cookie_leads_out_of_the_folder_of_people(cookie, own_runs):
    secret = people._read_cookie(cookie)
    assert len(secret) == 0 or len(secret) >= 32
    with owners.act_for(people.hashlib.sha256(secret.encode()).hexdigest()[:32]):
        assert paths.person_folder().parent == own_runs / "people"


@pytest.mark.parametrize("name", FOLDERS)
def test_no_folder_passes_for_a_model_on_a_hub(name):
    assert form.is_folder_name(name)


@pytest.mark.parametrize("query", ["job", "work", "view"])
@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("shared", ["0", "1"])
def test_an_address_that_names_nothing_is_one_line(monkeypatch, shared, query, token):
    monkeypatch.setenv("ROBUST_SHARED", shared)
    monkeypatch.setattr(loaded, "_STORE_WAIT", 0.2)
    at = app(**{query: token})
    warnings = [str(each.value) for each in at.warning]
    assert len(warnings) == 1 and token[:3] not in warnings[0]
    check_line(warnings[0])


@pytest.mark.parametrize("name", ["ROBUST_JOBS", "ROBUST_ALL_JOBS"])
@pytest.mark.parametrize("value", ["0", "abc"])
def test_a_limit_that_is_reached_is_shown(monkeypatch, name, value):
    monkeypatch.setenv("ROBUST_SHARED", "1")
    monkeypatch.setenv(name, value)
    at = app()
    next(b for b in at.button if b.label == "Attack").click().run()
    assert not at.exception
    line, = (str(each.value) for each in at.warning)
    assert ("are the most" in line) if value == "0" else (name in line)


# --- Work that nobody watches --------------------------------------------------------------------


def wait_until(holds) -> None:
    until = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_what_waits_is_dropped_when_nobody_asks_again():
    made, go = [], threading.Event()
    cache = BackgroundCache(lambda n: (made.append(n), go.wait(10))[1], 100, patience=0.2)
    futures = [cache.ask(n) for n in range(40)]
    wait_until(lambda: made)
    for _ in range(5):
        cache.ask(39)
        time.sleep(0.1)
    go.set()
    wait_until(lambda: all(future.done() for future in futures))
    assert made == [0, 39] and isinstance(futures[1].exception(), NobodyWatchesError)
    assert not cache.is_busy() and cache.find(1) is None
    assert cache.peek(1) == (None, "") and cache.ask(1).result(10), "whoever comes back has it made"


def test_what_is_being_made_is_given_up_when_nobody_asks_again():
    steps = []

    def make(n):
        while len(steps) < 1000:
            cache.check_watched(n)
            steps.append(n)
            time.sleep(0.02)

    cache = BackgroundCache(make, 100, patience=0.2)
    future = cache.ask("x")
    with pytest.raises(NobodyWatchesError):
        future.result(10)
    assert 1 <= len(steps) < 100 and not cache.is_busy()
    future = cache.ask("y")
    for _ in range(20):
        cache.peek("y")
        time.sleep(0.05)
    assert not future.done(), "somebody watches it"


def test_failures_are_forgotten(monkeypatch):
    monkeypatch.setattr("ui.shared.background_cache._RETRY", 0.05)

    def fail(n):
        raise BadInput("no")

    cache = BackgroundCache(fail, 100)
    for n in range(300):
        assert isinstance(cache.ask(n).exception(10), BadInput)
    time.sleep(0.1)
    cache.ask("last").exception(10)
    wait_until(lambda: len(cache._kept) < 10)
    assert len(cache._failed) < 10 and len(cache._asked) < 10


class Slow(WordReader):
    """Reads a word in a hundredth of a second, and notes how many it read."""

    def __init__(self):
        self.read = 0

    def pseudo_perplexity(self, texts, *, most=None, go_on=lambda: True):
        for text in texts:
            for _ in text.split():
                if not go_on():
                    return np.full(len(texts), math.nan)
                self.read += 1
                time.sleep(0.01)
        return np.ones(len(texts))


def test_fluency_ends_when_its_tab_is_closed(monkeypatch):
    reader = Slow()
    monkeypatch.setattr(masked_lm, "load", lambda name="minilm", device="auto": reader)
    monkeypatch.setattr(loaded, "PATIENCE", 0.3)
    loaded.ask_perplexity("cpu", "word " * 399)
    wait_until(lambda: reader.read)
    wait_until(lambda: not loaded.get_perplexities().is_busy())
    read = reader.read
    time.sleep(0.2)
    assert reader.read == read < 200


@pytest.mark.parametrize("who", ["explanations", "attack"])
def test_fluency_gives_way(monkeypatch, who):
    reader, go = Slow(), threading.Event()
    monkeypatch.setattr(masked_lm, "load", lambda name="minilm", device="auto": reader)
    slow = BackgroundCache(lambda: go.wait(20), 10)
    if who == "explanations":
        monkeypatch.setattr(loaded, "get_explanations", lambda: slow)
        slow.ask()
    else:
        job = loaded.submit_job("attack", lambda stop: iter([go.wait(20)]), "x")
        wait_until(lambda: loaded.get_jobs().get(job).started is not None)
    for _ in range(10):
        loaded.ask_perplexity("cpu", "a b c")
        time.sleep(0.03)
    assert reader.read == 0
    go.set()
    wait_until(lambda: loaded.ask_perplexity("cpu", "a b c")[0] is not None)
    assert reader.read == 3


@pytest.mark.parametrize("words", [401, 5000, 200_000])
def test_a_text_that_takes_too_long_is_said_to(monkeypatch, words):
    wait_until(lambda: loaded.ask_perplexity("cpu", "a " * words)[1])
    check_line(loaded.ask_perplexity("cpu", "a " * words)[1], f"{words:,} word pieces", "400 are the most")


def attacked(text: str, perturbed: str) -> AttackResult:
    return AttackResult(Example(text, None, "typed"), "m", {"name": "textfooler"}, perturbed, 1, 0, (0.1, 0.9),
                        (0.9, 0.1), 5, 5, 1, 0.9, 0.1, "succeeded", (), (), ())


TEXTS = {"chinese": "电影很好看" * 60, "emoji": "😀👩‍👩‍👧‍👦" * 60, "one word": "a" * 600, "hyphens": "-" * 300,
         "dots": "." * 300, "mixed": "good-bad_film... " * 20, "zero width": "\u200b" * 50, "blanks": " " * 50,
         "combining": "e\u0301" * 200, "right to left": "שלום " * 60, "nul": "\0film"}


@pytest.fixture(scope="module")
def minilm():
    return LOAD("minilm", "cpu")


@pytest.mark.parametrize("kind", TEXTS)
def test_every_text_has_a_perplexity_or_none_and_a_stop_ends_it(minilm, kind):
    text, asked = TEXTS[kind], []

    def go_on():
        asked.append(None)
        return len(asked) <= 2

    pieces = minilm.count_pieces(text)
    line = answer_or_line(lambda: fluency.check_length(minilm, text))
    assert isinstance(line, str) == (pieces > fluency.MOST_PIECES)
    value, = minilm.pseudo_perplexity([text], go_on=go_on)
    assert math.isnan(value) or value >= 1
    assert len(asked) <= 3
    assert math.isnan(minilm.pseudo_perplexity([text], most=max(pieces - 1, 0))[0])
    (before, after), = fluency.measure_perplexities(minilm, [attacked(text, text)], most=400, go_on=lambda: False)
    assert math.isnan(before) and math.isnan(after)


@pytest.mark.parametrize("limit", ["0.000001", "0.5"])
def test_the_time_limit_of_the_command_line_counts_for_fluency(monkeypatch, limit):
    reader = Slow()
    monkeypatch.setattr(masked_lm, "load", lambda name="minilm", device="auto": reader)
    began = time.monotonic()
    code, out, _ = run_command("attack", "a good clever movie " + "word " * 390, "--model", "sst2/cnn/base",
                               "--attack", "planted", "--time-limit", limit)
    assert code == 0 and time.monotonic() - began < 4 and "The time limit left no time for it." in " ".join(out.split())


def test_the_first_interrupt_ends_fluency(monkeypatch):
    from robust_core.cli import one_text

    reader, stop = Slow(), threading.Event()
    monkeypatch.setattr(one_text, "load_reader", lambda device: reader)
    threading.Timer(0.3, stop.set).start()
    began = time.monotonic()
    found, why = one_text._measure_fluency({"m": attacked("word " * 390, "other " * 390)}, "cpu", stop, math.inf)
    assert found == {} and why == "It was stopped." and time.monotonic() - began < 2
