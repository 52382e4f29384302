"""Zips of models as nobody should make them: one line, nothing unpacked elsewhere, nothing left, nothing run."""

import io
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.hostile import answer_or_line, expect_line
from helpers.model_zips import pack
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robust_core.models import loading, model_zips, staging
from robust_core.models.staging import Staged
from robust_core.models.weight_files import INDEX


def make_link(files: dict[str, bytes]) -> io.BytesIO:
    content = pack(files)
    with zipfile.ZipFile(content, "a") as archive:
        entry = zipfile.ZipInfo("films/vocab.txt")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    return content


def change(find: bytes, put: bytes) -> Callable[[dict[str, bytes]], io.BytesIO]:
    return lambda files: io.BytesIO(pack(files).getvalue().replace(find, put))


def set_flag(files: dict[str, bytes]) -> io.BytesIO:
    data = bytearray(pack(files).getvalue())
    at = data.find(b"PK\x01\x02")
    data[at + 8] |= 1
    return io.BytesIO(bytes(data))


def pack_as(kind: int) -> Callable[[dict[str, bytes]], io.BytesIO]:
    def make(files: dict[str, bytes]) -> io.BytesIO:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", kind) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return content

    return make


def list_many(files: dict[str, bytes]) -> io.BytesIO:
    return pack(files | {f"x{i}.txt": b"" for i in range(2_001)})


def list_far_too_many(files: dict[str, bytes]) -> io.BytesIO:
    return pack({f"{'x' * 150}{i}.txt": b"" for i in range(12_000)})


def without(*names: str, **more: bytes) -> Callable[[dict[str, bytes]], io.BytesIO]:
    return lambda files: pack({k: v for k, v in files.items() if k not in names} | {
        name.replace("_DOT_", "."): data for name, data in more.items()})


REFUSED: dict[str, tuple[Callable[[dict[str, bytes]], io.BytesIO], str]] = {
    "empty": (lambda files: io.BytesIO(), "cannot be read as a zip"),
    "text": (lambda files: io.BytesIO(b"hello"), "cannot be read as a zip"),
    "tar": (lambda files: io.BytesIO(b"\x1f\x8b\x08" + bytes(600)), "cannot be read as a zip"),
    "cut": (lambda files: io.BytesIO(pack(files).getvalue()[:-200]), "cannot be read as a zip"),
    "damaged": (lambda files: io.BytesIO(bytes(
        byte ^ (0x55 if 300 < i < 900 else 0) for i, byte in enumerate(pack(files).getvalue()))), "cannot be read as"),
    "no entries": (lambda files: pack({}), "holds no config.json"),
    "no config": (without("config.json"), "holds no config.json"),
    "no weights": (without("model.safetensors"), "has no safetensors weights"),
    "pickle": (without("model.safetensors", pytorch_model_DOT_bin=b"\x80\x04cos\nsystem\n"), "never opened"),
    "keras": (without("model.safetensors", tf_model_DOT_h5=b"x"), "never opened"),
    "no tokenizer": (without("tokenizer.json"), "has no tokenizer.json"),
    "outside": (lambda files: pack(files | {"../../evil.json": b"{}"}), "leads out of the folder"),
    "absolute": (lambda files: pack({"/etc/config.json": b"{}"}, ""), "leads out of the folder"),
    "drive": (lambda files: pack({"C:/config.json": b"{}"}, ""), "leads out of the folder"),
    "backslash": (lambda files: pack({"a\\..\\config.json": b"{}"}, ""), "leads out of the folder"),
    "nul": (change(b"films/config.json", b"films/config\0json"), "leads out of the folder"),
    "link": (make_link, "is a link or no plain file"),
    "encrypted": (set_flag, "is encrypted"),
    "bzip2": (pack_as(zipfile.ZIP_BZIP2), "packed in an unusual way"),
    "lzma": (pack_as(zipfile.ZIP_LZMA), "packed in an unusual way"),
    "two models": (lambda files: pack({f"{at}/{k}": v for at in "ab" for k, v in files.items()}, ""), "several models"),
    "many": (list_many, "lists 2,0"),
    "far too many": (list_far_too_many, "lists too many files"),
    "two of one name": (lambda files: pack(files | {"VOCAB.TXT": b"a", "vocab.txt": b"b"}), "two files of one name"),
    "bomb": (lambda files: pack(files | {"more.safetensors": bytes(3_000_000)}), "is too large"),
    "config no json": (lambda files: pack(files | {"config.json": b"{"}), "cannot be read as a model's description"),
    "config with code": (lambda files: pack(files | {"config.json": files["config.json"].replace(
        b"{", b'{"auto_map": {"AutoConfig": "evil.Evil"},', 1)}), "never opened"),
    "weights no safetensors": (lambda files: pack(files | {"model.safetensors": b"\x80\x04cos\nsystem\n"}), "damaged"),
    "weights of a huge header": (lambda files: pack(files | {"model.safetensors": b"\xff" * 64}), "damaged"),
    "index elsewhere": (lambda files: pack({k: v for k, v in files.items() if k != "model.safetensors"} | {
        INDEX: b'{"weight_map": {"a": "../x.safetensors"}}', "a.safetensors": b""}), "safetensors files beside it"),
    "tokenizer no json": (lambda files: pack(files | {"tokenizer.json": b"[1"}), "tokenizer"),
}


@pytest.fixture(scope="module")
def files(whole: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in whole.iterdir()}


@pytest.mark.parametrize("case", REFUSED)
def test_a_malformed_zip_is_one_line_and_leaves_nothing(files, case, monkeypatch, tmp_path):
    monkeypatch.setenv("ROBUST_MODEL_MB", "2")
    make, line = REFUSED[case]
    before = {*tmp_path.rglob("*")}

    def take() -> object:
        staged = model_zips.stage_zip("films.zip", make(files))
        try:
            return loading.load(str(staged.folder), "cpu")
        finally:
            staging.discard(staged)

    expect_line(take, line)
    left = {*tmp_path.rglob("*")} - before
    assert all(path.is_dir() for path in left), left


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_zip_with_other_bytes_is_refused_or_read(files, data):
    content = bytearray(pack(files).getvalue())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    staged = answer_or_line(lambda: model_zips.stage_zip("films.zip", io.BytesIO(bytes(content))))
    if isinstance(staged, Staged):
        staging.discard(staged)
