"""Claims that rest on an older table say so, and are neither refused nor drawn."""

import pytest

from robust_core.claims.files import read_named_claims
from robust_core.experiments import draw, evidence, superseded
from robust_core.experiments.faults import write_faults
from robust_core.paths import RESULTS
from robust_core.resources import fingerprints

OLD = "0" * 64


@pytest.fixture
def older(tmp_path, monkeypatch):
    """Return a function that says of some hash that it was a table's before."""
    read = superseded.read_superseded

    def say(digest: str) -> None:
        # What was read once is kept, by the name of the file.
        path = tmp_path / f"{digest}.tsv"
        path.write_text(f"name\tsha256\twas\ntable neighbours\t{digest}\tthe table of last week\n")
        known = read(path)
        for module in (superseded, evidence):
            monkeypatch.setattr(module, "read_superseded", lambda: known)
    return say


def _take_claim(digest: str):
    claims = read_named_claims(RESULTS)
    name, claim = next((n, c) for n, c in claims.items() if n.startswith("flat-table2-sst2-cnn-base-textfooler"))
    return name, claim | {"rests_on": claim["rests_on"] | {"table neighbours": digest}}


def test_an_older_table_is_said_beside_the_figures(older):
    older(OLD)
    _, claim = _take_claim(OLD)
    assert superseded.list_superseded(claim) == ["the table of last week"]
    line = list(write_faults([claim]))[-1]
    assert line.startswith("Measured with the table of last week: attacks on ") and "`sst2/cnn/base`" in line
    assert not list(evidence.Ground().check(claim))
    _, other = _take_claim("1" * 64)
    assert superseded.list_superseded(other) == [] and any("another table neighbours" in line
                                                           for line in evidence.Ground().check(other))


def test_such_claims_are_not_drawn(older):
    older(OLD)
    every = draw.draw_claims(10_000, "0", train=True)
    now = fingerprints.fingerprint_table("neighbours")
    older(now)
    rest = {name for name, claim in read_named_claims(RESULTS).items()
            if claim.get("rests_on", {}).get("table neighbours") == now}
    assert set(every) - set(draw.draw_claims(10_000, "0", train=True)) == rest


def test_the_record_names_no_table_that_is_packed_now():
    for name, digest in superseded.read_superseded():
        assert fingerprints.fingerprint_table(name.removeprefix("table ")) != digest
