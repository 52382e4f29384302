"""Models with guards in front of them by name, on the command line."""

import numpy as np
import pytest
from helpers.cli import invoke, refused, rows
from helpers.models import tiny_data

from robust_core.errors import BadInput
from robust_core.evaluation.guarded_names import check_unseen, guard_by_name, split_guards
from robust_core.guards import GUARDS
from robust_core.models.loading import load

HIDDEN = "a w\u043enderful fi\u200blm"


@pytest.mark.parametrize(("name", "model", "guards"), [
    ("sst2/cnn/base", "sst2/cnn/base", ()),
    ("sst2/cnn/base+unicode", "sst2/cnn/base", ("unicode",)),
    ("sst2/cnn/base+unicode+frequency", "sst2/cnn/base", ("unicode", "frequency")),
    ("sst2/cnn/base+other", "sst2/cnn/base+other", ()),
    ("http://localhost:1/ask#bad,good+unicode", "http://localhost:1/ask#bad,good", ("unicode",)),
    ("unicode", "unicode", ()),
    ("", "", ()),
])
def test_guards_stand_behind_the_name_of_a_model(name, model, guards):
    assert split_guards(name) == (model, guards)


def test_a_folder_of_that_name_is_a_model(tmp_path):
    folder = tmp_path / "mine+unicode"
    folder.mkdir()
    assert split_guards(str(folder)) == (str(folder), ())
    assert split_guards(f"{folder}+spelling") == (str(folder), ("spelling",))


def test_a_guard_that_needs_no_texts_needs_no_data(tmp_path):
    base = load("sst2/cnn/base", "cpu")
    guarded = guard_by_name(base, ["unicode"], tmp_path / "nothing")
    assert guarded.id == "sst2/cnn/base+unicode"
    assert np.array_equal(guarded.predict_proba([HIDDEN]), base.predict_proba(["a wonderful film"]))
    check_unseen([guarded, base], ["sst2/dev"])


@pytest.mark.parametrize("name", list(GUARDS))
def test_thresholds_come_from_dev_and_are_not_measured_there(name, tmp_path):
    data = tiny_data(tmp_path)
    guarded = guard_by_name(load("sst2/cnn/base", "cpu"), [name], data)
    if guarded.describe_guards()[0]["thresholds"]:
        with pytest.raises(BadInput, match="Measure it on test"):
            check_unseen([guarded], ["sst2/test/0", "sst2/dev/3"])
    check_unseen([guarded], ["sst2/test"])
    check_unseen([guarded], ["trec/dev", "typed", "mine.csv/0"])


def test_commands_read_guards_behind_a_model():
    plain, guarded = rows(invoke("predict", HIDDEN, "--model", "sst2/cnn/base", "--model", "sst2/cnn/base+unicode",
                                 "--json"))
    clean, = rows(invoke("predict", "a wonderful film", "--model", "sst2/cnn/base", "--json"))
    assert guarded["model"] == "sst2/cnn/base+unicode"
    assert guarded["proba"] == clean["proba"] != plain["proba"]


def test_evaluate_takes_guards_and_refuses_what_they_were_fitted_on(tmp_path):
    data = str(tiny_data(tmp_path))
    words = ("evaluate", "--dataset", "sst2", "--data-dir", data, "--attack", "bad-characters", "--set", "population=5",
             "--n", "4", "--json")
    guarded = rows(invoke(*words, "--model", "sst2/cnn/base+unicode", "--split", "test"))
    assert guarded[0]["accuracy_under_attack"] == guarded[0]["accuracy"]
    refused(invoke(*words, "--model", "sst2/cnn/base+frequency", "--split", "dev"), "Measure it on test")
    # Texts of dev that were picked are texts of dev.
    picked = [word for word in words if word not in ("--dataset", "sst2", "--n", "4")]
    refused(invoke(*picked, "--model", "sst2/cnn/base+frequency", "--slice", "sst2~dev~0-3~picked"),
            "Measure it on test")
    refused(invoke(*words, "--model", "sst2/cnn/base+unicode", "--split", "test", "--workers", "2"), "without guards")
