"""Reads a `tokenizer.json` from stdin and runs it on some texts, in a process of its own with limits.

The library's own code cannot be interrupted, so what a stranger's tokenizer does in it is found out where a limit on
memory and on processor time can end it. This file is run as a script; it imports nothing of the package, since that
would take longer than what it does. On stdout it prints JSON: `problem` in words, empty where there is none.
"""

import base64
import json
import resource
import signal
import struct
import sys
from typing import Any

_MOST_BYTES, _LOAD_SECONDS, _RUN_SECONDS = 2_000_000_000, 20, 1.0
# A character becomes at most 18 by Unicode's own rules (NFKC); a tokenizer needs some more for a blank or a mark.
_MOST_GROWTH, _MOST_SPECIAL, _MOST_WORD = 64, 16, 1_000
_RUN = 2_000
_PROBES = ("a", "", " ", "A good, clever film; isn't it?", "It cost $1,234.50 on 2024-01-31 (http://a.b/c?d=e)",
          "caf\u00e9 na\u00efve \u4f60\u597d \u3053\u3093\u306b \u0645\u0631\u062d\u0628\u0627 \u0e2a\u0e27",
          "\U0001f600\U0001f469\u200d\U0001f467 \ufdfa \u2603 \u0378 \ue000 \U000e0100",
          "[MASK] <mask> [UNK] </s> \u2581 \u0120",
          *(c * _RUN for c in map(chr, range(32, 127))), "ab " * _RUN, "a1b2-" * 400, "\u4f60" * _RUN, "\u0301" * _RUN,
          "a" * _RUN + "!", "1" * _RUN + "a", " " * _RUN + "a", "'" * _RUN + "b", "ab" * 1_000 + "\u2603")


def find_growth(part: Any) -> float:  # noqa: ANN401 (a part of tokenizer.json)
    """Return how many times longer a normaliser or decoder may make a text."""
    if not isinstance(part, dict):
        return 1
    kind, growth = part.get("type"), 1.0
    for inner in (*part.get("normalizers", ()), *part.get("decoders", ())):
        growth *= find_growth(inner)
    if kind == "Replace":
        pattern = part["pattern"].get("String", "")
        # A regular expression may match nothing at all, between any two characters.
        growth *= max(1, len(part["content"]) / len(pattern) if pattern else 1 + len(part["content"]))
    if kind == "Prepend":
        growth *= max(1, len(part["prepend"]))
    if kind == "Precompiled" and part.get("precompiled_charsmap"):
        table = base64.b64decode(part["precompiled_charsmap"])
        texts = table[4 + struct.unpack("<I", table[:4])[0]:]
        growth *= max(1, max(map(len, texts.split(b"\0"))) / 4)
    return growth


def check(data: bytes) -> None:
    """Run a tokenizer on some texts; raise ValueError, in words, where something is wrong with it."""
    from tokenizers import Tokenizer

    parts = json.loads(data)
    if not isinstance(parts, dict):
        raise ValueError("it is no JSON object")
    if max(find_growth(parts.get("normalizer")), find_growth(parts.get("decoder"))) > _MOST_GROWTH:
        raise ValueError(f"it makes texts more than {_MOST_GROWTH} times longer")
    if isinstance(parts.get("model"), dict) and parts["model"].get("max_input_chars_per_word", 0) > _MOST_WORD:
        raise ValueError(f"it splits words of more than {_MOST_WORD:,} characters")
    tokenizer = Tokenizer.from_str(data.decode())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    limit_seconds(_RUN_SECONDS)
    for text in _PROBES:
        bare = tokenizer.encode(text, add_special_tokens=False).ids
        whole = tokenizer.encode(text).ids
        if len(bare) > _MOST_GROWTH * len(text) + _MOST_SPECIAL:
            raise ValueError("it makes far more pieces than a text has characters")
        before = next((i for i in range(_MOST_SPECIAL + 1) if whole[i: i + len(bare)] == bare), None)
        if before is None or len(whole) - len(bare) > _MOST_SPECIAL:
            raise ValueError(f"it adds more to a text than {_MOST_SPECIAL} special tokens at its ends")
        if not text.isascii() or len(text) < _RUN:
            tokenizer.decode(whole)


def limit_seconds(more: float) -> None:
    """End this process by a signal after some more seconds of processor time."""
    signal.setitimer(signal.ITIMER_PROF, more)


def main() -> None:
    """Check what comes on stdin, and say what was found."""
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    limit_seconds(_LOAD_SECONDS)
    data = sys.stdin.buffer.read()
    problem = ""
    try:
        check(data)
    except MemoryError:
        problem = "it takes too much memory"
    except RecursionError:
        problem = "it is nested too deep"
    except BaseException as error:
        # The library raises plain exceptions, and what is none where it fails inside, at a text or a broken part.
        problem = str(error) or type(error).__name__
    sys.stdout.write(json.dumps({"problem": problem}))


if __name__ == "__main__":
    main()
