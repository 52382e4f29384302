"""Classifiers behind HTTP: templates, faults, secrets, ceilings, and answers that are kept."""

import json
import threading
import time

import numpy as np
import pytest
from helpers.doubles import BagOfWords
from helpers.endpoints import CUT, DROP, HALF, NO_JSON, SLOW, run_endpoint, serve_model
from hypothesis import given
from hypothesis import strategies as st

from robust_core.errors import BadInput, MissingResource
from robust_core.runs import fingerprint_model, shows_weights
from robust_core.victims import transport
from robust_core.victims.answers import FILE, Answers
from robust_core.victims.http_template import HttpTemplate
from robust_core.victims.opening import names_victim, open_victim
from robust_core.victims.probabilities import check_probabilities
from robust_core.victims.spending import Price, Spending, format_money, to_units

LABELS = ["negative", "positive"]
TEXTS = [f"a good film {i}" for i in range(10)]


@pytest.fixture
def endpoint():
    with run_endpoint(serve_model(BagOfWords())) as running:
        yield running


def write(tmp_path, endpoint, spending=None, **more):
    """Write a victim file for a server, with short waits, and open it."""
    path = tmp_path / "films.json"
    path.write_text(json.dumps({"url": endpoint.url, "labels": LABELS, "back_off": 0.01, "timeout": 0.3} | more))
    return open_victim(str(path), spending)


def test_a_victim_gives_what_its_model_gives_and_is_asked_once(endpoint):
    victim = open_victim(f"{endpoint.url}#negative,positive")
    assert victim.labels == ("negative", "positive") and shows_weights(victim)
    expected = np.concatenate([BagOfWords().predict_proba([text]) for text in TEXTS])
    for _ in range(2):
        found = victim.predict_proba([*TEXTS, TEXTS[0]])
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found[:-1], expected)
    again = open_victim(f"{endpoint.url}#negative,positive")
    np.testing.assert_array_equal(again.predict_proba(TEXTS), expected)
    assert endpoint.texts == TEXTS and endpoint.calls == 1
    assert fingerprint_model(again) == victim.fingerprint
    assert victim.predict_proba([]).shape == (0, 2)


def test_texts_go_as_they_stand_and_in_batches(endpoint, tmp_path):
    victim = write(tmp_path, endpoint, batch=4)
    odd = ["  Two  spaces ", "İstanbul’s “good”", "\u200bgood", "", *TEXTS[:5]]
    victim.predict_proba(odd)
    assert endpoint.texts == odd and [len(body["texts"]) for body in endpoint.bodies] == [4, 4, 1]
    with pytest.raises(BadInput, match="surrogate"):
        victim.predict_proba(["\ud800"])


@pytest.mark.parametrize("faults", [[SLOW], [500, 503], [(429, "0")], [HALF], [NO_JSON], [DROP], [408, HALF, 502]])
def test_faults_that_pass_are_waited_out(endpoint, tmp_path, faults):
    endpoint.faults.extend(faults)
    spending = Spending()
    found = write(tmp_path, endpoint, spending).predict_proba(TEXTS)
    np.testing.assert_array_equal(found.argmax(1), [1] * 10)
    # Each request counts, answered or not.
    assert endpoint.calls == spending.calls == len(faults) + 1


def test_faults_that_stay_end_in_one_line_and_are_not_asked_about_again(endpoint, tmp_path):
    endpoint.faults.extend([500] * 20)
    victim = write(tmp_path, endpoint, retries=2)
    for _ in range(2):
        with pytest.raises(MissingResource, match="films.json is missing. It was asked 3 times; last: status 500"):
            victim.predict_proba(TEXTS)
    assert endpoint.calls == 3


@pytest.mark.parametrize(("status", "words"), [
    (401, "key"), (403, "key"), (404, "address"), (400, "says 400 Bad Request: no"), (422, "request"), (413, "batch"),
    (307, "Redirects are not followed")])
def test_refusals_are_not_repeated(endpoint, tmp_path, status, words):
    endpoint.faults.append(status)
    with pytest.raises(MissingResource, match=words):
        write(tmp_path, endpoint).predict_proba(TEXTS)
    assert endpoint.calls == 1


def test_half_of_the_answers_is_none(endpoint, tmp_path):
    endpoint.faults.append(CUT)
    with pytest.raises(BadInput, match="answered 9 of 10 texts"):
        write(tmp_path, endpoint).predict_proba(TEXTS)


def test_a_server_that_is_not_there(endpoint, tmp_path):
    victim = write(tmp_path, endpoint, url="http://127.0.0.1:9/x", retries=1)
    with pytest.raises(MissingResource, match="asked 2 times; last: the connection failed"):
        victim.predict_proba(TEXTS)


def test_a_server_says_how_long_to_wait(endpoint, tmp_path):
    endpoint.faults.append((429, "1"))
    began = time.monotonic()
    write(tmp_path, endpoint).predict_proba(TEXTS[:1])
    assert 1 <= time.monotonic() - began < 3
    endpoint.faults.append((429, "3600"))
    with pytest.raises(MissingResource, match="asks to wait 3,600 seconds"):
        write(tmp_path, endpoint).predict_proba(TEXTS[1:2])


def test_a_wait_ends_when_somebody_stops(endpoint, tmp_path):
    endpoint.faults.append((429, "60"))
    spending = Spending()
    threading.Timer(0.2, spending.stop.set).start()
    began = time.monotonic()
    with pytest.raises(BadInput, match="Stopped while waiting for films.json"):
        write(tmp_path, endpoint, spending).predict_proba(TEXTS[:1])
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(("value", "seconds"), [("7", 7), (None, None), ("soon", None), ("-1", None), ("²", None),
                                                ("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("9" * 400, float("inf"))])
def test_retry_after_is_a_number_or_a_date(value, seconds):
    assert transport.read_wait(value) == seconds


def test_requests_keep_to_a_rate(endpoint, tmp_path):
    victim = write(tmp_path, endpoint, batch=1, per_minute=600)
    victim.predict_proba(TEXTS[:4])
    gaps = np.diff(endpoint.times)
    assert (gaps > 0.08).all() and gaps.sum() < 1


def test_requests_go_out_side_by_side(endpoint, tmp_path):
    slow = serve_model(BagOfWords())

    def answer(body):
        time.sleep(0.1)
        return slow(body)

    endpoint.answer = answer
    victim = write(tmp_path, endpoint, batch=1, parallel=4, timeout=5)
    expected = np.concatenate([BagOfWords().predict_proba([text]) for text in TEXTS])
    np.testing.assert_array_equal(victim.predict_proba(TEXTS), expected)
    assert 2 <= endpoint.at_once <= 4 and sorted(endpoint.texts) == sorted(TEXTS)


@pytest.mark.parametrize("parallel", [1, 4])
@pytest.mark.parametrize("most", [0, 1, 3, 7])
def test_a_ceiling_of_calls_holds_exactly(endpoint, tmp_path, most, parallel):
    endpoint.faults.extend([500] * 2)
    spending = Spending(max_calls=most)
    victim = write(tmp_path, endpoint, spending, batch=1, parallel=parallel)
    with pytest.raises(BadInput, match=f"ceiling of {most} calls is reached.*higher --max-calls"):
        victim.predict_proba(TEXTS)
    assert endpoint.calls == spending.calls == most and spending.stop.is_set()
    # What came is kept: a second start asks for the rest only.
    done = endpoint.texts
    assert len(done) == max(most - 2, 0)
    write(tmp_path, endpoint, batch=1, parallel=parallel).predict_proba(TEXTS)
    assert sorted(endpoint.texts) == sorted(TEXTS)


def test_a_ceiling_of_money_holds_exactly(endpoint, tmp_path):
    price = {"per_call": 0.1, "currency": "EUR"}
    spending = Spending(max_cost=to_units(0.3))
    victim = write(tmp_path, endpoint, spending, batch=1, price=price)
    with pytest.raises(BadInput, match=r"ceiling of 0.30 EUR \(spent: 0.30 EUR; the next call may cost 0.10 EUR\)"):
        victim.predict_proba(TEXTS)
    assert endpoint.calls == 3 and spending.cost == to_units(0.3)
    again = write(tmp_path, endpoint, batch=1, price=price)
    assert "So far 3 calls and 0.30 EUR; 3 answers are kept" in again.about[0]


def test_tokens_are_paid_at_most_before_and_as_reported_after(endpoint, tmp_path):
    model = serve_model(BagOfWords())
    endpoint.answer = lambda body: model(body) | {"usage": {"total": 5}}
    price = {"per_1000_tokens": 1.0}
    spending = Spending(max_cost=to_units(0.05))
    victim = write(tmp_path, endpoint, spending, batch=1, price=price, tokens="usage.total")
    # Each text is at most 29 bytes of JSON, so 0.029, and takes 5 tokens, 0.005: the sixth call could cross 0.05.
    with pytest.raises(BadInput, match="the next call may cost"):
        victim.predict_proba(TEXTS)
    sent = len(json.dumps({"texts": [TEXTS[0]]}))
    assert endpoint.calls == next(n for n in range(20) if n * 5 + sent > 50)
    assert spending.cost == endpoint.calls * to_units(0.005)
    with pytest.raises(BadInput, match='needs "tokens"'):
        write(tmp_path, endpoint, price=price)


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 1)), max_size=30), st.integers(0, 300))
def test_no_order_of_calls_crosses_a_ceiling(calls, ceiling):
    spending = Spending(max_cost=ceiling)
    for most, share in calls:
        try:
            spending.begin(most)
        except BadInput:
            assert spending.cost + most > ceiling
            continue
        spending.settle(most, int(most * share))
        assert spending.cost <= ceiling


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**9), st.integers(0, 10**9))
def test_costs_are_rounded_up_by_less_than_a_unit(tokens_in, tokens_out, price_in, price_out):
    cost = Price(7, price_in, price_out).compute_cost(tokens_in, tokens_out)
    exact = 7000 + tokens_in * price_in + tokens_out * price_out
    assert 0 <= cost * 1000 - exact < 1000


def test_money_is_written_as_people_write_it():
    assert [format_money(to_units(x), "USD") for x in (0, 0.1, 1234.5, 0.00015)] == [
        "0.00 USD", "0.10 USD", "1,234.50 USD", "0.00015 USD"]
    assert Price(to_units(0.1), to_units(1), to_units(2)).describe() == (
        "0.10 USD a call, 1.00 USD in and 2.00 USD out per 1,000 tokens")


def test_secrets_come_from_the_environment_and_are_stored_nowhere(endpoint, tmp_path, own_runs, monkeypatch):
    headers = {"Authorization": "Bearer ${FILMS_KEY}"}
    monkeypatch.setenv("FILMS_KEY", "s3cret")
    victim = write(tmp_path, endpoint, headers=headers)
    victim.predict_proba(TEXTS)
    assert endpoint.headers[0]["Authorization"] == "Bearer s3cret"
    endpoint.faults.append(401)
    endpoint.answer = None
    with pytest.raises(MissingResource) as refused:
        victim.predict_proba(["another"])
    assert "s3cret" not in str(refused.value) + "".join(victim.about) + repr(victim)
    for path in own_runs.iterdir():
        assert b"s3cret" not in path.read_bytes() and b"good film" not in path.read_bytes()
    monkeypatch.setenv("FILMS_KEY", "another")
    assert write(tmp_path, endpoint, headers=headers).fingerprint == victim.fingerprint
    monkeypatch.delenv("FILMS_KEY")
    with pytest.raises(BadInput, match="needs the environment variable FILMS_KEY"):
        write(tmp_path, endpoint, headers=headers)


def test_a_server_that_repeats_the_key_does_not_have_it_shown(endpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("FILMS_KEY", "s3cret")
    endpoint.faults.append(401)
    endpoint.refusal = "wrong key s3cret given"
    with pytest.raises(MissingResource, match="wrong key … given"):
        write(tmp_path, endpoint, headers={"Key": "${FILMS_KEY}"}).predict_proba(TEXTS)


ANSWERS = {
    "a list a text": ({"answers": "out.rows", "scores": "p"}, {"out": {"rows": [{"p": [0.2, 0.8]}] * 2}}),
    "names and numbers": ({"answers": ""}, [{"Positive": 0.8, "NEGATIVE": 0.2}] * 2),
    "as Hugging Face has it": (
        {"answers": "", "request": {"inputs": "{texts}"}, "names": {"LABEL_1": "positive", "LABEL_0": "negative"}},
        [[{"label": "LABEL_1", "score": 0.8}, {"label": "LABEL_0", "score": 0.2}]] * 2),
    "one score": ({"answers": "r", "label": "label", "score": "sure"}, {"r": [{"label": "negative", "sure": 0.2}] * 2}),
    "logits": ({"answers": "r", "scale": "logits"}, {"r": [[0.0, float(np.log(4))]] * 2}),
    "rounded": ({"answers": "r"}, {"r": [[0.2, 0.799]] * 2}),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_answers_of_many_shapes_are_read(tmp_path, kind):
    more, body = ANSWERS[kind]
    with run_endpoint(lambda _: body) as endpoint:
        found = write(tmp_path, endpoint, **more).predict_proba(["a", "b"])
    np.testing.assert_allclose(found, [[0.2, 0.8]] * 2, atol=1e-3)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)


def test_one_text_a_request(tmp_path):
    with run_endpoint(lambda body: {"score": 0.9 if "good" in body["q"]["review"] else 0.1}) as endpoint:
        template = {"request": {"q": {"review": "Review: {text}", "lang": "en"}, "n": 1}, "label": "", "answers": ""}
        with pytest.raises(BadInput, match="label"):
            write(tmp_path, endpoint, **template).predict_proba(["x"])
        endpoint.bodies.clear()
        endpoint.answer = lambda body: "positive" if "good" in body["q"]["review"] else "negative"
        victim = write(tmp_path, endpoint, **template)
        np.testing.assert_array_equal(victim.predict_proba(["good {text}", "dull"]), [[0, 1], [1, 0]])
    assert endpoint.bodies[0] == {"q": {"review": "Review: good {text}", "lang": "en"}, "n": 1}
    assert "labels only" in victim.note and victim.note in victim.about[1]


@pytest.mark.parametrize(("body", "words"), [
    ({"other": 1}, "has no 'probabilities'; it is"), ({"probabilities": 3}, "must be a list"),
    ({"probabilities": [[0.5, 0.5], [0.5]]}, "2 numbers a text"), ({"probabilities": [[0.2, 0.3, 0.5]] * 2}, "2 x 2"),
    ({"probabilities": [[5.0, 3.0]] * 2}, "scores before softmax"), ({"probabilities": [[True, 1]] * 2}, "number"),
    ({"probabilities": [[float("nan"), 1]] * 2}, "NaN"), ({"probabilities": [["0.5", "0.5"]] * 2}, "number"),
    ({"probabilities": [[1.2, -0.2]] * 2}, "no probabilities"), ([], "has no"), (None, "has no"),
    ({"probabilities": [{"positive": 1.0}] * 2}, "no score for 'negative'"),
    ({"probabilities": [{"good": 1.0, "negative": 0}] * 2}, 'label .good.; say in "names"')])
def test_answers_that_are_none_are_one_line(tmp_path, body, words):
    with run_endpoint(lambda _: body) as endpoint, pytest.raises(BadInput, match=words) as refused:
        write(tmp_path, endpoint).predict_proba(["a", "b"])
    assert "films.json" in str(refused.value) and "\n" not in str(refused.value)
    assert Answers().count(open_victim(str(tmp_path / "films.json")).fingerprint) == 0


@pytest.mark.parametrize(("more", "words"), [
    ({"labels": ["one"]}, "two classes"), ({"labels": ["a", "A"]}, "same name"), ({"labels": None}, "list of names"),
    ({"labels": 3}, "list of names"), ({"url": "ftp://x/y"}, "no address"), ({"url": "http:///x"}, "no address"),
    ({"url": "http://a:b@host/x"}, "name and a password"), ({"url": "http://x:99999999/"}, "no address"),
    ({"request": {"a": 1}}, "must hold"), ({"request": {"a": "{texts}", "b": "{text}"}}, "must hold"),
    ({"tiemout": 3}, "'tiemout', which means nothing"), ({"timeout": "3"}, "number from"),
    ({"timeout": 0}, "from 0.01"), ({"batch": 1.5}, "whole"), ({"batch": True}, "number"),
    ({"kind": "soap"}, "one of http, chat"),
    ({"scale": "log"}, "one of"), ({"label": "l", "scores": "s"}, "not both"), ({"score": "s"}, 'needs "label"'),
    ({"names": {"x": "strange"}}, "none of the labels"), ({"headers": {"a b": "c"}}, "header"),
    ({"headers": {"a": "b\nc: d"}}, "header"), ({"headers": ["a"]}, "object of texts"), ({"price": 3}, "object"),
    ({"price": {"per_word": 3}}, "means nothing"), ({"price": {"per_call": -1}}, "number from 0")])
def test_victim_files_that_are_wrong_are_one_line(endpoint, tmp_path, more, words):
    with pytest.raises(BadInput, match=words):
        write(tmp_path, endpoint, **more)
    assert endpoint.calls == 0


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '"x"', "null", "[" * 20_000, "\x00", "{\"url\": 1e999}"])
def test_files_that_are_no_victim_files_are_one_line(tmp_path, content):
    (tmp_path / "films.json").write_text(content)
    with pytest.raises(BadInput):
        open_victim(str(tmp_path / "films.json"))


def test_what_changes_the_answers_changes_the_fingerprint_and_nothing_else_does(endpoint, tmp_path):
    plain = write(tmp_path, endpoint).fingerprint
    same = [{"batch": 3}, {"parallel": 2}, {"timeout": 9}, {"retries": 0}, {"per_minute": 5},
            {"price": {"per_call": 1}}]
    other = [{"version": "2"}, {"labels": ["positive", "negative"]}, {"headers": {"X-Model": "b"}}, {"scale": "logits"},
             {"url": endpoint.url + "2"}, {"request": {"inputs": "{texts}"}}, {"answers": "x"}]
    assert {write(tmp_path, endpoint, **more).fingerprint for more in same} == {plain}
    assert len({write(tmp_path, endpoint, **more).fingerprint for more in other} | {plain}) == len(other) + 1


@pytest.mark.parametrize(("name", "is_one"), [
    ("http://x/y#a,b", True), ("https://x", True), ("http:http://x", True), ("films.json", True),
    ("victim:films", True), ("my.module:function", True), ("films.skops", True), ("skops:films", True),
    ("sst2/cnn/base", False), ("textattack/bert-base-uncased-SST-2", False), ("", False), (":", False),
    ("a:b:c", False), ("C:\\models", False), ("/dev/null/x", False), ("a" * 5000, False)])
def test_names_of_victims(name, is_one):
    assert bool(names_victim(name)) is is_one


def test_an_address_needs_labels():
    for name in ("http://127.0.0.1:9/x", "http:http://127.0.0.1:9/x"):
        with pytest.raises(BadInput, match="http://127.0.0.1:9/x#negative,positive"):
            open_victim(name)


def test_a_damaged_file_of_answers_is_one_line(own_runs):
    own_runs.mkdir()
    (own_runs / FILE).write_bytes(b"no database" * 100)
    with pytest.raises(BadInput, match="answers.sqlite.*cannot be used"):
        Answers()


def test_rows_that_are_probabilities_already_stay_to_the_last_bit():
    rows = BagOfWords().predict_proba([*TEXTS, "bad bad good", ""])
    np.testing.assert_array_equal(check_probabilities(rows.astype(float).tolist(), len(rows), LABELS, "it"), rows)


def test_defaults_of_a_template_are_those_of_the_page():
    assert HttpTemplate(("a", "b")).fill_in(["x"]) == {"texts": ["x"]}
