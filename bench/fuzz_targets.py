"""What `bench.fuzz` reads: for each kind of input, how bytes become one, and who reads it."""

import copy
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

Target = Callable[[bytes], object]
_VALUES: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 2, 10**6, 10**9, 2**31, 2**63, 10**30, 0.5, -0.0, 1e308, float("nan"), float("inf"),
    "", "x", "0", "a" * 200, "../../x", "/etc/passwd", "\0", "\ud800", "\u202e<b>[x](y)", "os.system", [], {}, [[]],
    [0], ["x"], {"a": 1}, {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 100}, {"Regex": "(a+)+$"},
    [1] * 500)
_KEYS = ("auto_map", "quantization_config", "num_labels", "id2label", "hidden_size", "num_hidden_layers", "vocab_size",
         "masks", "groups", "normalizer", "pre_tokenizer", "post_processor", "added_tokens", "__metadata__", "id", "x")
_ALPHABET = ("a", "b", " ", "\n", "\t", "-", "_", "'", ".", "!", ",", "n't", "&amp;", "&#", "<br />", "\u0301",
             "\u4f60", "\U0001f600", "\u200d", "\u202e", "\0", "(", ":", "`", '"', "\\", "-LRB-", "http://a.b", "1",
             "\ud83d", "\x85")


class Choices:
    """Takes choices out of bytes; where they end, the first of all.

    Args:
        data: The bytes.
    """

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def pick(self, n: int) -> int:
        """Return a number from 0 to n - 1."""
        self._at += 2
        return int.from_bytes(self._data[self._at - 2: self._at], "little") % max(n, 1)

    def rest(self) -> bytes:
        """Return the bytes that are left."""
        return self._data[self._at:]

    def value(self) -> Any:  # noqa: ANN401 (whatever JSON holds)
        """Return a value that somebody might not have thought of."""
        chosen = self.pick(len(_VALUES) + 1)
        if chosen < len(_VALUES):
            return copy.deepcopy(_VALUES[chosen])
        value: Any = 1
        for _ in range(10 ** self.pick(4)):
            value = [value]
        return value


def change_json(whole: Any, data: bytes) -> bytes:  # noqa: ANN401 (whatever JSON holds)
    """Return a JSON file: what is right with some changes, or the bytes themselves."""
    choices = Choices(data)
    if choices.pick(4) == 3:
        return choices.rest()
    found = copy.deepcopy(whole)
    for _ in range(1 + choices.pick(4)):
        place = found
        while isinstance(place, dict | list) and place:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = keys[choices.pick(len(keys))]
            if isinstance(place[key], dict | list) and place[key] and choices.pick(3):
                place = place[key]
                continue
            change = choices.pick(8)
            if change == 0:
                del place[key]
            elif change == 1 and isinstance(place, dict):
                place[_KEYS[choices.pick(len(_KEYS))]] = choices.value()
            elif change == 2 and isinstance(place[key], int | float):
                place[key] = -place[key] if choices.pick(2) else place[key] * 10 ** choices.pick(12)
            else:
                place[key] = choices.value()
            break
    try:
        return json.dumps(found).encode()
    except RecursionError:
        return b"[" * 10_000


def make_text(choices: Choices, most: int = 4_000) -> str:
    """Return a text of repeated odd parts."""
    parts, length = [], 0
    for _ in range(1 + choices.pick(30)):
        part = _ALPHABET[choices.pick(len(_ALPHABET))] * (1 + choices.pick(200))
        parts.append(part)
        length += len(part)
        if length > most:
            break
    return "".join(parts)[:most]


def read_cards(work: Path) -> Target:
    """Cards of checkpoints, encoders and base classifiers."""
    from robust_core.certify import base_classifiers
    from robust_core.models import cards, encoder_cards
    from robust_core.paths import CHECKPOINTS

    readers = [(cards.read_card, "sst2/cnn/base"), (encoder_cards.read, "encoders/simcse"),
               (base_classifiers.read_card, "smoothed/digits")]
    whole = [json.loads((CHECKPOINTS / place / "card.json").read_text()) for _, place in readers]

    def read(data: bytes) -> object:
        kind = data[0] % len(readers) if data else 0
        (work / "card.json").write_bytes(change_json(whole[kind], data[1:]))
        return readers[kind][0](work)

    return read


def read_weights(work: Path) -> Target:
    """Headers of safetensors files."""
    from robust_core.models.weight_files import load_weights

    header = {"a.weight": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
              "b": {"dtype": "F16", "shape": [3], "data_offsets": [16, 22]}, "__metadata__": {"format": "pt"}}

    def read(data: bytes) -> object:
        choices = Choices(data)
        text = change_json(header, data[8:])
        length = (len(text), len(text), choices.pick(2**16), 2**63, len(text) + 22)[choices.pick(5)]
        file = struct.pack("<Q", length) + text + bytes(22 if choices.pick(4) else choices.pick(64))
        (work / "model.safetensors").write_bytes(file if choices.pick(4) else data)
        return load_weights(work / "model.safetensors")

    return read


def read_config(work: Path) -> Target:
    """A classifier of the library with other settings, opened and asked if it can be."""
    from robust_core.models import loading

    folder = _write_model(work / "model")
    names = ("config.json", "tokenizer_config.json", "special_tokens_map.json")
    whole = {name: json.loads((folder / name).read_text()) for name in names}

    def read(data: bytes) -> object:
        name = names[data[0] % len(names) if data and data[0] > 127 else 0]
        (folder / name).write_bytes(change_json(whole[name], data[1:]))
        try:
            return loading.load(str(folder), "cpu").predict_proba(["a good film"])
        finally:
            (folder / name).write_text(json.dumps(whole[name]))

    return read


def read_tokenizer(work: Path) -> Target:
    """The gate before a tokenizer.json."""
    from robust_core.models.tokenizer_files import check_tokenizer

    folder = _write_model(work / "model")
    whole = json.loads((folder / "tokenizer.json").read_text())

    def read(data: bytes) -> object:
        (folder / "tokenizer.json").write_bytes(change_json(whole, data))
        return check_tokenizer(folder)

    return read


def read_data(work: Path) -> Target:
    """Files of texts and labels: uploaded ones, and splits in a folder of data sets."""
    from robust_core import datasets, table_files

    (work / "sst2").mkdir()
    endings = (".csv", ".tsv", ".jsonl", ".json", ".txt", "", ".CSV")
    rows = [{"text": "a good film", "label": "1"}, {"text": "dull", "label": "0"}]

    def read(data: bytes) -> object:
        choices = Choices(data)
        kind, ending = choices.pick(4), endings[choices.pick(len(endings))]
        if kind == 0:
            content = choices.rest()
        elif kind == 1:
            content = b"\n".join(change_json(row, choices.rest()[8 * i:]) for i, row in enumerate(rows * 3))
        else:
            mark = (",", "\t", ";", "|")[choices.pick(4)]
            lines = [f"text{mark}label", *(f"{make_text(choices, 300)}{mark}{choices.pick(3)}" for _ in range(5))]
            content = "\n".join(lines).encode("utf-8", "surrogatepass")
        if choices.pick(3):
            table = table_files.read_upload(f"file{ending}", content)
            text, label = table.guess()
            return text, table.classes(label)
        (work / "sst2" / "dev.tsv").write_bytes(content)
        return datasets.load("sst2", "dev", work)

    return read


def read_text(work: Path) -> Target:
    """Cleaning a text, splitting it, and changing one of its words."""
    from robust_core.cleaning import check_typed, clean
    from robust_core.text import Draft, Edit, diff, find_words

    def read(data: bytes) -> object:
        text = make_text(Choices(data), 20_000)
        cleaned = clean(text)
        draft = Draft.of(cleaned)
        assert clean(cleaned) == cleaned, "cleaned twice it is another text"
        assert len(find_words(cleaned)) == len(draft.words), "another number of words"
        if draft.words:
            diff(cleaned, draft.apply(Edit(0, 1, ("other",))).text)
        return check_typed(text)

    return read


def _write_model(folder: Path) -> Path:
    """Write a small random classifier with its tokenizer."""
    import torch
    import transformers
    from tokenizers import Tokenizer

    from robust_core.resources import minilm_folder

    tokenizer = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "good", "film", *"bcdefghijklmnopqrstuvwxyz"]
    parts = json.loads(tokenizer.to_str())
    parts["model"]["vocab"] = {word: i for i, word in enumerate(words)}
    parts["added_tokens"] = [{**part, "id": words.index(part["content"])} for part in parts["added_tokens"]]
    ids = {"[CLS]": 2, "[SEP]": 3}
    parts["post_processor"] = {
        "type": "TemplateProcessing", "pair": [], "single": [
            {"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
            {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
        "special_tokens": {name: {"id": name, "ids": [i], "tokens": [name]} for name, i in ids.items()}}
    torch.manual_seed(0)
    config = transformers.BertConfig(vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                                     intermediate_size=16, max_position_embeddings=32)
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(parts)), unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]",
        sep_token="[SEP]", mask_token="[MASK]").save_pretrained(folder)
    return folder


TARGETS: dict[str, Callable[[Path], Target]] = {
    "cards": read_cards, "weights": read_weights, "config": read_config, "tokenizer": read_tokenizer, "data": read_data,
    "text": read_text}
