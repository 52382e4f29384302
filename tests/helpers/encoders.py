"""Small data and cards for sentence encoders."""

import dataclasses
import gzip
import zlib

import numpy as np
import pytest
import torch

from robust_core.encoder_training.base import Schedule
from robust_core.encoder_training.networks import SentenceBatch, SentenceNetwork, Training
from robust_core.encoder_training.simcse import SimCSE
from robust_core.models import encoder_cards
from robust_core.models.lora import add_low_rank
from robust_core.models.networks.bert import Bert
from robust_core.registry import to_record
from robust_core.train.setup import Randomness


@pytest.fixture
def folder(tmp_path):
    """A folder of small data: sentences, reviews, pairs."""
    data = tmp_path / "data"
    for name in ("text", "sts", "sst2", "transfer"):
        (data / name).mkdir(parents=True)
    with gzip.open(data / "text" / "wiki_sentences.tsv.gz", "wt") as file:
        file.write("text\n" + "\n".join([f"sentence number {i} here" for i in range(50)]
                                        + ["a very held out sentence", "long " * 60]) + "\n")
    words = ["good", "fine", "clever", "bad", "dull", "slow"]
    for split, head, size in (("train", "film", 30), ("dev", "film", 12), ("test", "cast", 12)):
        lines = [f"a {words[i % 6]} {head} {i % 5}\t{int(i % 6 < 3)}" for i in range(size)]
        (data / "sst2" / f"{split}.tsv").write_text("text\tlabel\n" + "\n".join(lines) + "\n")
    (data / "transfer" / "mr.tsv").write_text("text\tlabel\n" + "\n".join(
        f"the {words[i % 6]} plot {i}\t{int(i % 6 < 3)}" for i in range(60)) + "\n")
    rows = [("a good film", "a good film", 5), ("a good film", "a fine film", 3), ("a good film", "no cars here", 0),
            ("a very held out sentence", "a very held sentence", 4), ("slow", "fast cars", 1)]
    (data / "sts" / "stsb_test.tsv").write_text("genre\tfile\tscore\tsentence1\tsentence2\n" + "\n".join(
        f"g\tf\t{score}\t{a}\t{b}" for a, b, score in rows) + "\n")
    more = [("A Fine Film", "a good film", 3), ("cars", "slow cars", 2), ("a dull plot", "a slow plot", 4),
            ("a bad film", "no film here", 1), ("good", "fine", 4.5), ("good", "dull", 0.5)]
    (data / "sts" / "stsb_dev.tsv").write_text("genre\tfile\tscore\tsentence1\tsentence2\n" + "\n".join(
        f"g\tf\t{score}\t{a}\t{b}" for a, b, score in [*more, *rows]) + "\n")
    (data / "sts" / "sts12.tsv").write_text("subset\tsplit\tscore\tsentence1\tsentence2\n" + "\n".join(
        f"s\t{'train' if i == 4 else 'test'}\t{score}\t{a}\t{b}" for i, (a, b, score) in enumerate(rows)) + "\n")
    return data


def card(**changes) -> encoder_cards.EncoderCard:
    values = {"id": "tiny", "method": to_record(SimCSE()), "schedule": dataclasses.asdict(Schedule()), "seed": 0,
              "config": {"lora_scale": 2.0, "length": 16}, "corpus": {"n": 1, "sha256": ""},
              "dev": {"after": 0.5, "before": 0.4, "step": 1}, "steps": 1, "seconds": 0.0, "device": "cpu", "bytes": 0,
              "files": {}, "parent": "p", "version": "0", "folder": encoder_cards.Path()}
    return encoder_cards.EncoderCard(**values | changes)


CPU = torch.device("cpu")
PIECES, WIDTH, PAD, START, END, MASK = 40, 16, 0, 1, 2, 3
CONFIG = {"model_type": "bert", "hidden_act": "gelu", "hidden_size": WIDTH, "num_attention_heads": 2,
          "num_hidden_layers": 2, "intermediate_size": 32, "vocab_size": PIECES, "max_position_embeddings": 16,
          "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_dropout_prob": 0.1,
          "attention_probs_dropout_prob": 0.1}


class Tokens:
    """As much of a tokenizer as a training asks for."""

    prefix, suffix, pad_id = (START,), (END,), PAD

    def vocabulary(self):
        return {str(i): i for i in range(PIECES)}

    def until(self, length):
        return self


def body(seed: int = 0) -> Bert:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = Bert(CONFIG)
        for p in made.parameters():
            p.data.mul_(3.0 if p.dim() > 1 else 1.0)
        return made


def training(projection: bool = False, seed: int = 0) -> Training:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = SentenceNetwork(body(), projection)
        add_low_rank(network, 4, "all")
        for name, p in network.named_parameters():
            if "lora_B" in name:
                p.data.normal_(0, 0.05)
    return Training(network.train(), Tokens(), CPU, Randomness(seed, CPU), False, 4, "all", body)


def batch(seed: int = 0, n: int = 6) -> SentenceBatch:
    rng = np.random.default_rng(seed)
    rows = [[START, *rng.integers(5, PIECES, rng.integers(3, 8)), END] for _ in range(n)]
    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[PAD] * (width - len(row))] for row in rows])
    return SentenceBatch(ids, ids != PAD)


class Words:
    """A tokenizer of one piece a word."""

    prefix, suffix, pad_id, length = (START,), (END,), PAD, 16

    def until(self, length):
        return self

    def unit_ids(self, text):
        return tuple(5 + zlib.crc32(word.encode()) % (PIECES - 5) for word in text.split())

    def ids(self, text):
        return (START, *self.unit_ids(text)[:14], END)

    def vocabulary(self):
        return Tokens().vocabulary()
