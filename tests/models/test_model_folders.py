"""Model folders are looked at before a library opens them: no code of theirs runs, whatever they name."""

import json
import os
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import torch
from helpers.models import write_hugging_face
from safetensors.torch import save_file

from robust_core.encoders import SentenceTransformerEncoder
from robust_core.errors import BadInput, MissingResource
from robust_core.models import hub, loading, masked_lm
from robust_core.models.base_encoders import load_base_encoder
from robust_core.models.model_folders import check_model_folder

TRANSFORMER = {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}
POOLING = {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}
DENSE = {"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"}
EVIL = "from pathlib import Path\nPath(__file__).with_name('ran').write_text('')\nclass Evil:\n    load = dict\n"


@pytest.fixture
def folder(tmp_path) -> Path:
    """A small encoder as sentence-transformers stores it, with a Python file beside it that tells when it runs."""
    made = write_hugging_face(tmp_path / "encoder", "bert")
    (made / "1_Pooling").mkdir()
    (made / "1_Pooling" / "config.json").write_text(json.dumps(
        {"word_embedding_dimension": 16, "pooling_mode_mean_tokens": True}))
    (made / "evil.py").write_text(EVIL)
    return list_modules(made, TRANSFORMER, POOLING)


def list_modules(folder: Path, *modules: object) -> Path:
    (folder / "modules.json").write_text(json.dumps(modules))
    return folder


def refused(folder: Path, *parts: str) -> None:
    """Every door refuses the folder in one short line, and nothing of it has run."""
    for name, open_ in (("encoder", SentenceTransformerEncoder), ("start", lambda name: load_base_encoder(name, 16)),
                        ("classifier", loading.load), ("masked", masked_lm.load)):
        with pytest.raises(BadInput) as error:
            open_(str(folder))
        line = str(error.value)
        assert "\n" not in line and len(line) <= 300 and all(part in line for part in parts), (name, line)
    assert not (folder / "ran").exists() and not list(folder.glob("__pycache__"))


def test_a_plain_encoder_is_opened(folder):
    found = SentenceTransformerEncoder(str(folder), "cpu").encode(["a good film", "a bad film"])
    assert found.shape == (2, 16) and np.linalg.norm(found, axis=1) == pytest.approx(1)
    new = {**POOLING, "type": "sentence_transformers.sentence_transformer.modules.pooling.Pooling"}
    check_model_folder(list_modules(folder, TRANSFORMER, new))


@pytest.mark.parametrize("type_", ["evil.Evil", "os.system", "subprocess.Popen", "sentence_transformers.models.Router",
                                   "sentence_transformers.util.import_from_string", "", "x" * 5000, "a\nb"])
def test_no_class_is_looked_up_but_the_usual_ones(folder, type_):
    refused(list_modules(folder, TRANSFORMER, {**POOLING, "type": type_}), "only Transformer, Dense, Pooling, Norm")


@pytest.mark.parametrize("path", ["../other", "/etc", "1_Pooling/../..", "..\\other", "C:other"])
def test_no_module_lies_outside(folder, path):
    refused(list_modules(folder, TRANSFORMER, {**POOLING, "path": path}), "leads out of the folder")


@pytest.mark.parametrize("content", ["{}", "[]", "[1]", '[{"type": 1, "path": ""}]', "[", "[" * 100_000, "\x00", "null",
                                     "[" + "1, " * 400_000 + "1]"])
def test_a_list_of_modules_that_is_none_is_one_line(folder, content):
    (folder / "modules.json").write_text(content)
    refused(folder, "modules.json")


@pytest.mark.parametrize("content", ["[]", "1", "", "{" * 100_000, '{"a":' * 100_000, " " * 2_000_000])
def test_a_configuration_that_is_no_object_is_one_line(folder, content):
    (folder / "config.json").write_text(content)
    refused(folder, "config.json")


def test_a_dense_layer_needs_safetensors_and_a_usual_activation(folder):
    (folder / "2_Dense").mkdir()
    (folder / "2_Dense" / "config.json").write_text(json.dumps({"in_features": 16, "out_features": 4}))
    (folder / "2_Dense" / "pytorch_model.bin").write_bytes(b"a pickle")
    refused(list_modules(folder, TRANSFORMER, POOLING, DENSE), "no weights as safetensors")
    save_file({"linear.weight": torch.zeros(4, 16), "linear.bias": torch.zeros(4)},
              folder / "2_Dense" / "model.safetensors")
    for name in ("os.getcwd", "torch.hub.list", "evil.Evil"):
        (folder / "2_Dense" / "config.json").write_text(json.dumps(
            {"in_features": 16, "out_features": 4, "activation_function": name}))
        refused(folder, "activation")
    (folder / "2_Dense" / "config.json").write_text(
        json.dumps({"in_features": 16, "out_features": 4, "bias": True,
                    "activation_function": "torch.nn.modules.activation.Tanh"}))
    assert check_model_folder(folder) == folder
    assert SentenceTransformerEncoder(str(folder), "cpu").encode(["good"]).shape == (1, 4)
    (folder / "2_Dense" / "config.json").write_text(json.dumps({"in_features": 10**9, "out_features": 4}))
    refused(folder, "2_Dense")


def test_a_link_that_leads_out_is_refused_and_one_inside_is_not(folder, tmp_path):
    (tmp_path / "secret").write_text("{}")
    (folder / "inner.json").symlink_to(folder / "config.json")
    check_model_folder(folder)
    (folder / "linked.json").symlink_to(tmp_path / "secret")
    refused(folder, "'linked.json' leads out")


def test_links_of_the_hubs_cache_stay_inside_their_repository(folder, tmp_path):
    cache = tmp_path / "models--somebody--encoder"
    (cache / "snapshots").mkdir(parents=True)
    (cache / "blobs").mkdir()
    snapshot = folder.rename(cache / "snapshots" / "abc")
    os.replace(snapshot / "config.json", cache / "blobs" / "1")
    (snapshot / "config.json").symlink_to("../../blobs/1")
    check_model_folder(snapshot)


def test_an_encoder_of_a_hub_goes_through_the_same_gate(folder, monkeypatch):
    asked = {}
    monkeypatch.setattr(hub, "is_reachable", lambda name: True)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **options: asked.update(options) or folder)
    assert SentenceTransformerEncoder("somebody/encoder", "cpu").encode(["good"]).shape == (1, 16)
    assert not any(pattern.endswith((".py", ".bin", ".pt")) for pattern in asked["allow_patterns"])
    list_modules(folder, TRANSFORMER, {**POOLING, "type": "evil.Evil"})
    with pytest.raises(BadInput, match="evil.Evil"):
        SentenceTransformerEncoder("somebody/encoder", "cpu")
    monkeypatch.setattr(hub, "is_reachable", lambda name: False)
    with pytest.raises(MissingResource, match="somebody/encoder"):
        SentenceTransformerEncoder("somebody/encoder", "cpu")
