"""Prompted language models: label tokens, votes, prompts, prices by tokens."""

import json
import math

import numpy as np
import pytest
from helpers.endpoints import run_endpoint

from robust_core.errors import BadInput, MissingResource
from robust_core.victims.opening import open_victim
from robust_core.victims.spending import Spending, to_units

PROMPT = "Is this review positive or negative? Answer with one word.\n\nReview: {text}\nAnswer:"


def answer_tokens(**probabilities):
    """An answer whose first token has these probabilities."""
    top = [{"token": token, "logprob": math.log(p)} for token, p in probabilities.items()]
    return {"choices": [{"message": {"content": "x"}, "logprobs": {"content": [{"top_logprobs": top}]}}],
            "usage": {"prompt_tokens": 40, "completion_tokens": 1}}


def answer_words(*words):
    """An answer of several samples."""
    return {"choices": [{"message": {"content": word}} for word in words]}


@pytest.fixture
def endpoint():
    with run_endpoint(lambda body: answer_tokens(Positive=0.6, neg=0.2, other=0.2)) as running:
        yield running


def write(tmp_path, endpoint, spending=None, **more):
    """Write a victim file and open it."""
    path = tmp_path / "prompted.json"
    path.write_text(json.dumps({"kind": "chat", "url": endpoint.url, "model": "small", "prompt": PROMPT, "back_off": 0,
                                "labels": ["negative", "positive"], "retries": 1} | more))
    return open_victim(str(path), spending)


def test_probabilities_are_those_of_the_label_words_first_tokens(endpoint, tmp_path):
    victim = write(tmp_path, endpoint, system="You judge.", options={"seed": 3})
    np.testing.assert_allclose(victim.predict_proba(["a {text} {braces} film"]), [[0.25, 0.75]], rtol=1e-6)
    body, = endpoint.bodies
    assert body["messages"] == [{"role": "system", "content": "You judge."},
                                {"role": "user", "content": PROMPT.replace("{text}", "a {text} {braces} film")}]
    assert {name: value for name, value in body.items() if name != "messages"} == {
        "model": "small", "temperature": 0, "max_tokens": 1, "logprobs": True, "top_logprobs": 20, "seed": 3}
    assert victim.note == "" and "prompts small at" in victim.about[0]


@pytest.mark.parametrize(("tokens", "expected"), [
    ({" positive": 0.5, "Positive": 0.25, "pos": 0.05, "Negative": 0.2}, 0.8), ({"▁pos": 0.9, "NEG": 0.1}, 0.9),
    ({"positive": 0.5}, 1.0), ({"\n": 0.9, "**": 0.05, "negative": 0.01}, 0.0), ({"positively": 0.9, "n": 0.1}, 0.0)])
def test_tokens_in_many_spellings(endpoint, tmp_path, tokens, expected):
    endpoint.answer = lambda _: answer_tokens(**tokens)
    np.testing.assert_allclose(write(tmp_path, endpoint).predict_proba(["x"]), [[1 - expected, expected]], atol=1e-6)


def test_label_words_are_not_labels(endpoint, tmp_path):
    endpoint.answer = lambda _: answer_tokens(B=0.3, A=0.1, C=0.6)
    victim = write(tmp_path, endpoint, labels={"world": "A", "sports": "B", "business": "C"})
    assert victim.labels == ("world", "sports", "business")
    np.testing.assert_allclose(victim.predict_proba(["x"]), [[0.1, 0.3, 0.6]], rtol=1e-6)


def test_votes(endpoint, tmp_path):
    samples = ["Positive.", " positive!", "**Negative**", "I cannot say"]
    endpoint.answer = lambda body: answer_words(*samples[:body["n"]])
    victim = write(tmp_path, endpoint, votes=4)
    np.testing.assert_allclose(victim.predict_proba(["x"]), [[1 / 3, 2 / 3]], rtol=1e-6)
    assert endpoint.bodies[0] | {"messages": 0} == {
        "model": "small", "messages": 0, "n": 4, "temperature": 1.0, "max_tokens": 8}
    assert "shares of 4 votes" in victim.note


def test_a_server_without_several_samples_is_asked_several_times(endpoint, tmp_path):
    said = iter(["positive", "negative", "positive"])
    endpoint.answer = lambda body: answer_words(next(said))
    np.testing.assert_allclose(write(tmp_path, endpoint, votes=3).predict_proba(["x"]), [[1 / 3, 2 / 3]], rtol=1e-6)
    assert [body["n"] for body in endpoint.bodies] == [3, 2, 1]


@pytest.mark.parametrize(("said", "place"), [
    ("positive", 1), ("The answer is negative.", 0), ("positive, not negative", 1),
    ("both positive and negative", None), ("nonpositive", None), ("", None), (None, None), ("POSITIVE\nbecause", 1)])
def test_what_an_answer_names(endpoint, tmp_path, said, place):
    template = write(tmp_path, endpoint, votes=1).source._template
    assert template.read_vote(said) == place


@pytest.mark.parametrize(("answer", "more", "words"), [
    (answer_tokens(maybe=0.9), {}, "none of the label words.*maybe"), (answer_words("positive"), {}, '"votes": 5'),
    ({"choices": []}, {}, '"votes": 5'), ({}, {"votes": 2}, "no 'choices'"),
    ({"choices": []}, {"votes": 2}, "no choices"),
    (answer_words("perhaps"), {"votes": 2}, "'perhaps' with none of the label words")])
def test_answers_that_say_nothing_are_one_line(endpoint, tmp_path, answer, more, words):
    endpoint.answer = lambda _: answer
    with pytest.raises(BadInput, match=words):
        write(tmp_path, endpoint, **more).predict_proba(["x"])


@pytest.mark.parametrize(("more", "words"), [
    ({"prompt": "no place"}, "must hold {text}"), ({"labels": {"a": "very good", "b": "very"}}, "begins another"),
    ({"labels": {"a": "yes", "b": "Yes"}}, "begins another"), ({"labels": {"a": "yes", "b": 3}}, "a word"),
    ({"labels": {"a": "yes", "b": "!"}}, "a word"), ({"options": {"messages": []}}, "without messages"),
    ({"votes": -1}, "from 0"), ({"model": None}, "needs 'model'"), ({"answers": "x"}, "means nothing")])
def test_victim_files_that_are_wrong_are_one_line(endpoint, tmp_path, more, words):
    with pytest.raises(BadInput, match=words):
        write(tmp_path, endpoint, **more)


def test_a_ceiling_of_money_holds_with_tokens_and_threads(endpoint, tmp_path):
    price = {"per_1000_tokens_in": 1.0, "per_1000_tokens_out": 10.0}
    spending = Spending(max_cost=to_units(1.0))
    victim = write(tmp_path, endpoint, spending, price=price, parallel=4)
    with pytest.raises(BadInput, match="The ceiling of 1.00 USD"):
        victim.predict_proba([f"film {i:02}" for i in range(60)])
    # 40 tokens in and one out are 0.05; before a call its bytes count, and what a chat template may add.
    each, most = 0.05, (len(PROMPT.replace("{text}", "film 00")) + 64 + 10) / 1000
    assert spending.cost == endpoint.calls * to_units(each) <= to_units(1.0)
    assert endpoint.calls == next(n for n in range(60) if n * each + most > 1)
    assert "1.00 USD in and 10.00 USD out per 1,000 tokens" in victim.about[0]


def test_lost_answers_are_paid_at_most_and_refused_ones_not(endpoint, tmp_path):
    endpoint.faults.extend(["half", 500])
    spending = Spending()
    price = {"per_1000_tokens_in": 1.0}
    with pytest.raises(MissingResource):
        write(tmp_path, endpoint, spending, price=price).predict_proba(["x"])
    assert spending.calls == 2
    assert spending.cost == to_units((len(PROMPT.replace("{text}", "x")) + 64) / 1000)


def test_prompts_and_models_are_other_victims(endpoint, tmp_path):
    kinds = [{}, {"prompt": PROMPT + " "}, {"model": "large"}, {"votes": 3}, {"votes": 5}, {"system": "s"},
             {"labels": {"negative": "bad", "positive": "good"}}, {"options": {"seed": 1}}]
    assert len({write(tmp_path, endpoint, **more).fingerprint for more in kinds}) == len(kinds)
    assert write(tmp_path, endpoint, parallel=9).fingerprint == write(tmp_path, endpoint).fingerprint
