"""The example of docs/own-endpoint.md runs as printed, but for its port."""

import json
import re
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.cli import invoke
from helpers.doubles import WordEncoder, WordReader

from robust_core import encoders
from robust_core.models import masked_lm
from robust_core.paths import ROOT
from robust_core.victims.answers import Answers
from robust_core.victims.chat import ChatTemplate
from robust_core.victims.fields import Fields
from robust_core.victims.opening import open_victim

PAGE = (ROOT / "docs" / "own-endpoint.md").read_text(encoding="utf-8")


def blocks(kind):
    """The code blocks of a kind."""
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def port(tmp_path, monkeypatch):
    """The page's server on a free port, in the present folder."""
    monkeypatch.chdir(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    server, = blocks("python")
    Path("server.py").write_text(server.replace("8000", str(number)))
    process = subprocess.Popen([sys.executable, "server.py"], stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", number), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield str(number)
    finally:
        process.kill()
        process.wait()


def test_the_example_runs_as_printed_and_the_second_time_for_nothing(port, monkeypatch):
    monkeypatch.setattr(encoders, "load_default", lambda device="auto": WordEncoder())
    monkeypatch.setattr(masked_lm, "load", lambda name="minilm", device="auto": WordReader())
    monkeypatch.setenv("FILMS_KEY", "key")
    Path("films.json").write_text(blocks("json")[0].replace("8000", port))
    lines = [shlex.split(line) for line in blocks("sh")[0].splitlines()]
    assert [words[3] for words in lines] == ["predict", "attack", "explain", "evaluate"]
    spent = []
    for words in [*lines, lines[-1]]:
        assert words[:3] == ["python", "-m", "robust_core"]
        result = invoke(*words[3:])
        assert result.exit_code == 0, result.stderr
        spent.append(Answers().read_spent(open_victim("films.json").fingerprint)[0])
    assert 0 < spent[0] < spent[1] < spent[2] < spent[3] == spent[4]


def test_the_prompted_example_is_a_victim_file(tmp_path):
    about = json.loads(blocks("json")[1])
    (tmp_path / "prompted.json").write_text(json.dumps(about))
    victim = open_victim(str(tmp_path / "prompted.json"))
    assert isinstance(victim.source._template, ChatTemplate) and victim.labels == ("negative", "positive")


def test_every_field_is_on_the_page(tmp_path, monkeypatch):
    known = set()
    monkeypatch.setattr(Fields, "finish", lambda fields: known.update(fields._taken))
    for more in ({}, {"kind": "chat", "model": "m", "prompt": "{text}"}, {"label": "l", "score": "s"}):
        path = tmp_path / "films.json"
        path.write_text(json.dumps({"url": "http://127.0.0.1/x", "labels": ["a", "b"]} | more))
        open_victim(str(path))
    assert len(known) > 30 and not [name for name in known if f"`{name}`" not in PAGE and f'"{name}"' not in PAGE]
