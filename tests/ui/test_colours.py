"""One colour a model: stable, different for the models picked, seen with every colour blindness and on both pages."""

import itertools
import json
import os

import numpy as np
import pytest
import streamlit as st
from helpers.pages import MODELS, card, doubles  # noqa: F401 (a fixture)

from ui.shared import catalogue, colours
from ui.widgets import charts

# Machado, Oliveira and Fernandes 2009: what people without one kind of cones see, in linear RGB.
BLINDNESS = {
    "none": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]}
# Ottosson 2020: linear RGB to OKLab, in which distances are as large as they look.
CONES = np.array([[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
                  [0.0883024619, 0.2817188376, 0.6299787005]])
LAB = np.array([[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
                [0.0259040371, 0.7827717662, -0.8086757660]])
PAGES = ("#fdfcfa", "#15141b")


def linear(colour: str) -> np.ndarray:
    part = np.array([int(colour[i: i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def look(colour: str, blindness: str) -> np.ndarray:
    seen = np.clip(np.array(BLINDNESS[blindness]) @ linear(colour), 0, 1)
    return LAB @ np.cbrt(CONES @ seen)


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_no_two_colours_look_alike(blindness):
    gaps = [float(np.linalg.norm(look(a, blindness) - look(b, blindness)))
            for a, b in itertools.combinations(charts.COLOURS, 2)]
    assert min(gaps) > 0.09


@pytest.mark.parametrize("page", PAGES)
def test_every_colour_stands_out_from_the_page(page):
    bright = [float(np.array([0.2126, 0.7152, 0.0722]) @ linear(colour)) + 0.05 for colour in (page, *charts.COLOURS)]
    assert all(max(bright[0], tone) / min(bright[0], tone) >= 3 for tone in bright[1:])


def test_a_colour_follows_the_list_and_stays():
    assert [colours.color_model(model) for model in MODELS] == list(charts.COLOURS[:3])
    assert colours.color_model(f"{MODELS[1]}@2") == charts.COLOURS[1], "another training of it"
    assert colours.color_model("sst2/cnn/gone") == charts.GUIDE


def put_own(folder, model_id: str, when: int) -> None:
    path = folder / "runs" / "checkpoints" / model_id / "card.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(card(model_id)))
    os.utime(path, (when, when))
    catalogue.look_again()


def test_what_somebody_adds_takes_no_colour_away(tmp_path, monkeypatch):
    monkeypatch.setenv("ROBUST_RUNS", str(tmp_path / "runs"))
    before = {model: colours.color_model(model) for model in MODELS}
    put_own(tmp_path, "sst2/cnn/mine", 2000)
    second = colours.color_model("sst2/cnn/mine")
    # It stands before the shipped ones in the alphabet, and is younger.
    put_own(tmp_path, "sst2/cnn/another", 3000)
    assert {model: colours.color_model(model) for model in MODELS} == before
    assert colours.color_model("sst2/cnn/mine") == second == charts.COLOURS[3]
    assert colours.color_model("sst2/cnn/another") == charts.COLOURS[4]


def test_models_picked_differ_as_long_as_colours_are_enough(tmp_path, monkeypatch):
    monkeypatch.setenv("ROBUST_RUNS", str(tmp_path / "runs"))
    for number in range(8):
        put_own(tmp_path, f"sst2/cnn/own{number}", 1000 + number)
    # The first own one and the last one are eight places apart.
    places = catalogue.list_places()
    first, last = MODELS[2], "sst2/cnn/own7"
    assert places[last] - places[first] == 8 and colours.color_model(first) == colours.color_model(last)
    monkeypatch.setattr(st, "session_state", {"models": [last, first]})
    assert colours.color_model(last) == charts.COLOURS[2], "picked first, it keeps its own"
    assert colours.color_model(first) == charts.COLOURS[3]
    everything = [*MODELS[:2], *(f"sst2/cnn/own{number}" for number in range(6))]
    monkeypatch.setattr(st, "session_state", {"models": everything})
    assert len({colours.color_model(model) for model in everything}) == len(everything) == 8


def test_marks_and_dashes_differ_too():
    looks = colours.list_looks(MODELS)
    assert [one["marker"]["color"] for one in looks] == [one["line"]["color"] for one in looks] == [
        colours.color_model(model) for model in MODELS]
    assert len({one["line"]["dash"] for one in looks}) == len({one["marker"]["symbol"] for one in looks}) == 3
