"""Claims: what is written comes back, damaged files are named or left out, and commands stay as they are."""

import shlex
import stat

import pytest

from robust_core.claims.command import DATA, make_command
from robust_core.claims.files import read_claims, write_claim
from robust_core.errors import BadInput
from robust_core.experiments import EXPERIMENTS
from robust_core.experiments.again import list_trained
from robust_core.experiments.base import Options
from ui.certified.accuracy import read_stored_claims

CLAIM = {"claim": "a figure", "command": "python -m robust_core models", "run": "", "n": 3, "seeds": [0],
         "metric": "accuracy", "value": 0.5, "value_se": 0.1, "thresholds": {}, "details": {"model": "sst2/cnn/base"}}


@pytest.fixture
def folder(tmp_path):
    """Two claims, and files that are none."""
    for name in ("b", "a"):
        write_claim(tmp_path / f"{name}.json", **CLAIM | {"claim": name})
    (tmp_path / "notes.txt").write_text("no claim")
    return tmp_path


DAMAGED = ["", "{", "[]", "3", "{}", '{"details": 3}', b"\xff"]


def test_claims_come_back_in_the_order_of_their_names(folder):
    found = read_claims(folder)
    assert [claim["claim"] for claim in found] == ["a", "b"]
    assert {key: found[0][key] for key in CLAIM if key != "claim"} == {k: v for k, v in CLAIM.items() if k != "claim"}
    assert stat.S_IMODE((folder / "a.json").stat().st_mode) == 0o644
    assert [claim["claim"] for claim in read_claims([folder / "b.json", folder / "a.json"])] == ["b", "a"]
    assert sorted(path.name for path in folder.iterdir()) == ["a.json", "b.json", "notes.txt"], "nothing is left over"


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_claim_is_named_or_left_out(folder, content):
    path = folder / "a.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BadInput, match=r"results/a\.json is damaged; restore it\."):
        read_claims(folder)
    assert [claim["claim"] for claim in read_claims(folder, skip_damaged=True)] == ["b"]
    assert [claim["claim"] for claim in read_stored_claims(folder, "*.json")] == ["b"]


def test_a_claim_that_cannot_be_written_leaves_the_old_one(folder, monkeypatch):
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(BadInput, match="cannot be written: the disk is full"):
        write_claim(folder / "a.json", **CLAIM | {"claim": "new"})
    assert read_claims(folder)[0]["claim"] == "a" and len([*folder.iterdir()]) == 3


def test_a_command_names_what_differs_from_its_defaults():
    assert make_command("reproduce", "flat/table4") == "python -m robust_core reproduce flat/table4"
    assert make_command("evaluate", "--model", "a b", seeds=2, n=3, precision="screened") == (
        "python -m robust_core evaluate --model 'a b' --seeds 2 --n 3 --precision screened")
    assert make_command("evaluate", train=True, data=True) == "python -m robust_core evaluate --train --data-dir DATA"


def test_the_commands_of_the_stored_claims_are_made_again():
    seen = set()
    for claim in read_claims():
        words = shlex.split(claim["command"])
        if words[:4] != ["python", "-m", "robust_core", "reproduce"]:
            continue
        options = [word for word in words[5:] if word != "--train"]
        named = dict(zip(options[::2], options[1::2], strict=True))
        own = [word for name in ("--model", "--attack") if name in named for word in (name, named[name])]
        asked = Options(int(named.get("--seeds", 1)), n=int(named["--n"]) if "--n" in named else None,
                        precision=named.get("--precision", "exact"))
        trained = list_trained(claim) if "--train" in words else ()
        assert EXPERIMENTS[words[4]]().command(asked, *own, models=trained) == claim["command"]
        assert named.get("--model") in (None, claim["details"]["model"]) and named["--data-dir"] == DATA
        seen.add(words[4])
    assert len(seen) >= 8
