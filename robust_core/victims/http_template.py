"""A classifier behind HTTP: a template says where texts go in the request, and where its answer holds what."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from robust_core.errors import BadInput, quote, shorten
from robust_core.victims.fields import Fields, check_labels
from robust_core.victims.probabilities import check_probabilities
from robust_core.victims.transport import Sender, Tokens

TEXTS, TEXT = "{texts}", "{text}"
MOST_TEXTS, MOST_PARALLEL = 1024, 64
_BATCH = 16


@dataclasses.dataclass(frozen=True)
class HttpTemplate:
    """How a server is asked, and how its answers are read.

    Paths are names and numbers with dots between, such as `results.0.scores`; an empty one is the whole.

    Args:
        labels: Names of the classes, by index.
        request: JSON of a request. The text "{texts}" stands for the list of texts; "{text}" inside a text for one.
        answers: Path of the list of answers, one a text; of a single answer where "{text}" is sent.
        scores: Path, inside an answer, of its scores: numbers in the order of the labels, an object of label and
            number, or a list of such objects as Hugging Face gives; None where there is only a label.
        label: Path, inside an answer, of a label; with `score`, of the one that the score is about.
        score: Path, inside an answer, of one number: the probability of the label.
        names: What the server calls the labels, where that differs: its name to ours.
        logits: Whether scores are those before softmax.
        tokens: Path, in the whole body, of the number of tokens that were used; empty where it says none.
        batch: Most texts a request.
        parallel: Most requests at the same time.
    """

    labels: tuple[str, ...]
    request: Any = dataclasses.field(default_factory=lambda: {"texts": TEXTS})
    answers: str = "probabilities"
    scores: str | None = ""
    label: str | None = None
    score: str | None = None
    names: Mapping[str, str] = dataclasses.field(default_factory=dict)
    logits: bool = False
    tokens: str = ""
    batch: int = _BATCH
    parallel: int = 1

    KIND: ClassVar[str] = "http"

    @classmethod
    def read(cls, fields: Fields) -> "HttpTemplate":
        """Take a template out of a victim file.

        Raises:
            BadInput: Something is missing or does not fit.
        """
        where, labels = fields.where, check_labels(fields.take("labels"), fields.where)
        request = fields.take("request", {"texts": TEXTS})
        many, single = TEXTS in _list_leaves(request), any(TEXT in leaf for leaf in _list_leaves(request))
        if many == single:
            raise BadInput(f'{where}: "request" must hold "{TEXTS}" where a list of texts goes, or "{TEXT}" where one '
                           "text goes.")
        label = fields.text("label") if fields.has("label") else None
        score = fields.text("score") if fields.has("score") else None
        scores = fields.text("scores", "") if fields.has("scores") or label is None else None
        if scores is not None and label is not None:
            raise BadInput(f'{where}: name either "scores" or "label" (with "score" or alone), not both.')
        if score is not None and (label is None or len(labels) != 2):
            raise BadInput(f'{where}: "score" needs "label", and two classes: of more, one number says too little.')
        names = {**{each.casefold(): each for each in labels},
                 **{server.casefold(): ours for server, ours in fields.texts("names").items()}}
        strange = [ours for ours in names.values() if ours not in labels]
        if strange:
            raise BadInput(f'{where}: "names" leads to {quote(strange[0])}, which is none of the labels.')
        return cls(labels, request, fields.text("answers", "probabilities" if many else ""), scores, label, score,
                   names, fields.choice("scale", "probabilities", ("probabilities", "logits")) == "logits",
                   fields.text("tokens", ""),
                   fields.whole("batch", _BATCH if many else 1, 1, MOST_TEXTS if many else 1),
                   fields.whole("parallel", 1, 1, MOST_PARALLEL))

    @property
    def note(self) -> str:
        """What its scores are not; empty for probabilities."""
        return "" if self.label is None or self.score is not None else (
            "The model gives labels only: attacks see 1 for its label and 0 for the others, so a ranking of words by "
            "probabilities has no information; the attack hard-label needs labels alone.")

    def to_record(self) -> dict[str, Any]:
        """Return all that decides answers."""
        record = dataclasses.asdict(self)
        return {name: value for name, value in record.items() if name not in ("batch", "parallel", "tokens")}

    def fill_in(self, texts: Sequence[str]) -> Any:  # noqa: ANN401 (JSON)
        """Return the request for texts."""
        def fill(part: Any) -> Any:  # noqa: ANN401
            if isinstance(part, dict):
                return {name: fill(value) for name, value in part.items()}
            if isinstance(part, list):
                return [fill(value) for value in part]
            if part == TEXTS:
                return list(texts)
            return part.replace(TEXT, texts[0]) if isinstance(part, str) else part

        return fill(self.request)

    def read_answer(self, body: object, count: int, who: str) -> np.ndarray:
        """Return (count, classes) float32 probabilities from a whole answer.

        Raises:
            BadInput: It is not as the template says.
        """
        found = dig(body, self.answers, who)
        if TEXTS not in _list_leaves(self.request):
            found = [found]
        if not isinstance(found, list):
            raise BadInput(f"{who}: {_show(self.answers)} must be a list with an answer a text, not {quote(found)}.")
        if len(found) != count:
            raise BadInput(f"{who} answered {len(found)} of {count} texts.")
        rows = [self._read_one(each, who) for each in found]
        return check_probabilities(rows, count, self.labels, who, self.logits)

    def _read_one(self, answer: object, who: str) -> list[float]:
        if self.label is not None:
            place = self._find_label(dig(answer, self.label, who), who)
            sure = 1.0 if self.score is None else _to_number(dig(answer, self.score, who), who)
            rest = 0.0 if self.score is None else 1 - sure
            return [sure if i == place else rest for i in range(len(self.labels))]
        scores = dig(answer, self.scores or "", who)
        if isinstance(scores, list) and scores and all(isinstance(each, dict) for each in scores):
            scores = {str(each.get("label")): each.get("score") for each in scores}
        if isinstance(scores, dict):
            given = {self._find_label(name, who): _to_number(value, who) for name, value in scores.items()}
            lacking = [label for i, label in enumerate(self.labels) if i not in given]
            if lacking:
                raise BadInput(f"{who} gives no score for {quote(lacking[0])}.")
            return [given[i] for i in range(len(self.labels))]
        if not isinstance(scores, list):
            raise BadInput(f"{who}: {_show(self.scores or '')} of an answer must hold scores, not {quote(scores)}.")
        return [_to_number(value, who) for value in scores]

    def _find_label(self, name: object, who: str) -> int:
        if isinstance(name, int) and not isinstance(name, bool) and str(name) not in self.names:
            if 0 <= name < len(self.labels):
                return name
        ours = self.names.get(str(name).casefold())
        if ours is None:
            raise BadInput(f'{who} answers with the label {quote(name)}; say in "names" which label that is.')
        return self.labels.index(ours)


class HttpSource:
    """Asks a server as a template says."""

    def __init__(self, who: str, template: HttpTemplate, sender: Sender) -> None:
        self._who, self._template, self._sender = who, template, sender
        self.batch, self.parallel = template.batch, template.parallel

    def ask(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n, classes) float32 probabilities of texts, by one request."""
        body = self._template.fill_in(texts)
        # A tokenizer that knows every byte makes no more tokens than there are bytes.
        most = (len(json.dumps(body, ensure_ascii=False).encode()), 0)
        answer = self._sender.post(body, most, self._count_tokens)
        return self._template.read_answer(answer, len(texts), self._who)

    def _count_tokens(self, answer: object) -> Tokens | None:
        if not self._template.tokens:
            return None
        return int(_to_number(dig(answer, self._template.tokens, self._who), self._who)), 0


def dig(value: Any, path: str, who: str) -> Any:  # noqa: ANN401 (JSON)
    """Return what lies at a path of an answer.

    Raises:
        BadInput: Nothing does.
    """
    at = value
    for part in path.split(".") if path else ():
        if isinstance(at, dict) and part in at:
            at = at[part]
        elif isinstance(at, list) and part.isascii() and part.isdecimal() and len(part) < 9 and int(part) < len(at):
            at = at[int(part)]
        else:
            raise BadInput(f"{who}: its answer has no {_show(path)}; it is {shorten(json.dumps(value), 100)}")
    return at


def _list_leaves(part: object) -> list[str]:
    """Return all texts of a piece of JSON."""
    if isinstance(part, dict | list):
        return [leaf for value in (part.values() if isinstance(part, dict) else part) for leaf in _list_leaves(value)]
    return [part] if isinstance(part, str) else []


def _show(path: str) -> str:
    return quote(path) if path else "the whole answer"


def _to_number(value: object, who: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadInput(f"{who} gives {quote(value)} where a number must stand.")
    return float(value)
