"""Cards of stored models that are damaged or say what cannot be: one line, or an answer that is right."""

import os

import pytest
from helpers.checkpoints import FIELDS, KINDS, WRONG, edit, refused
from helpers.hostile import answer_or_line, expect_line

from robust_core.models import encoder_cards


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_whole_is_answered(root, kind):
    KINDS[kind][1](root)


# --- The file itself -----------------------------------------------------------------------------

CONTENTS = {
    "empty": b"", "null": b"null", "list": b"[]", "number": b"7", "text": b'"card"', "half": b'{"id": "sst2',
    "deep": b"[" * 100_000, "deep objects": b'{"id":' * 100_000, "no Unicode": b"\xff\xfe\x00", "zeros": bytes(1_000),
    "long": b'{"id": "' + b"x" * 3_000_000 + b'"}', "digits": b'{"seed": ' + b"9" * 5_000 + b"}",
    "NaN": b'{"seconds": NaN}'}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("content", CONTENTS)
def test_a_card_that_is_none_is_one_line(root, kind, content):
    (root / KINDS[kind][0] / "card.json").write_bytes(CONTENTS[content])
    refused(root, kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("file", ["card.json", "model.safetensors"])
@pytest.mark.parametrize("form", ["pipe", "folder", "device", "loop", "nothing"])
def test_what_is_no_regular_file_is_never_waited_for(root, kind, file, form):
    path = root / KINDS[kind][0] / file
    path.unlink()
    if form == "pipe":
        os.mkfifo(path)
    elif form == "folder":
        path.mkdir()
    elif form == "device":
        path.symlink_to("/dev/zero")
    elif form == "loop":
        path.symlink_to(path)
    expect_line(lambda: KINDS[kind][1](root))


# --- Its fields ----------------------------------------------------------------------------------

@pytest.mark.parametrize(("kind", "field"), [(kind, field) for kind, card in FIELDS.items()
                                             for field in card.__dataclass_fields__ if field != "folder"])
@pytest.mark.parametrize("value", WRONG)
def test_a_field_of_another_type_is_one_line_or_does_no_harm(root, kind, field, value):
    edit(root, kind, lambda values: values.update({field: WRONG[value]}))
    numbers = ("seed", "epochs", "seconds", "parameters", "bytes", "steps", "levels", "dev_accuracy")
    parts = ("recipe", "data", "method", "schedule", "corpus", "dev", "defence", "config", "space")
    harmless = value == "text" or value == "object" and field in parts or (
        field in numbers and value in ("-1", "10^9", "half", "10^30"))
    if harmless and kind == "encoder":
        # Its large neighbour, the packaged encoder, is not loaded for each.
        answer_or_line(lambda: encoder_cards.read(root / KINDS[kind][0]))
    else:
        (answer_or_line if harmless else expect_line)(lambda: KINDS[kind][1](root))


@pytest.mark.parametrize(("kind", "field"), [(kind, field) for kind, card in FIELDS.items()
                                             for field in card.__dataclass_fields__
                                             if field not in ("folder", "known_faults")])
def test_a_field_that_is_missing_is_one_line(root, kind, field):
    edit(root, kind, lambda values: values.pop(field))
    expect_line(lambda: KINDS[kind][1](root))


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "../../../../../dev/zero", "a/b", "../../..", "",
                                           "x" * 5_000, "\0"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_card_lists_no_files_elsewhere(root, kind, name):
    edit(root, kind, lambda values: values["files"].update({name: "0" * 64}))
    expect_line(lambda: KINDS[kind][1](root))
