"""A prompted language model as a classifier, behind any endpoint that speaks OpenAI's chat completions.

Probabilities are those of the label words' first tokens among the likeliest ones (`top_logprobs`), divided by their
sum, or shares of votes. Source: Brown et al. (2020), https://arxiv.org/abs/2005.14165, section 2.4 and appendix G.
"""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from robust_core.errors import BadInput, quote, shorten
from robust_core.victims.fields import Fields, check_labels
from robust_core.victims.http_template import MOST_PARALLEL, TEXT, dig
from robust_core.victims.probabilities import check_probabilities
from robust_core.victims.transport import Sender, Tokens

_TOP, _MOST_VOTES = 20, 100
# What a chat template may add to a message, in tokens, beyond the bytes of its text.
_ADDED = 64
_BARE = re.compile(r"^[\W_▁Ġ]+|[\W_]+$")


@dataclasses.dataclass(frozen=True)
class ChatTemplate:
    """How a language model is prompted, and how its words become probabilities.

    Args:
        labels: Names of the classes, by index.
        words: The word that the model is to answer with for each of them.
        model: What the endpoint calls the model.
        prompt: The user's message, with {text} where the text goes.
        system: The system's message; empty for none.
        votes: How many samples vote; 0 reads the label tokens' log-probabilities.
        top: How many of the likeliest tokens are looked at.
        temperature: Of the samples.
        longest: Most tokens of a sample.
        options: More fields of the request; null takes one away.
        parallel: Most requests at the same time.
    """

    labels: tuple[str, ...]
    words: tuple[str, ...]
    model: str
    prompt: str
    system: str = ""
    votes: int = 0
    top: int = _TOP
    temperature: float = 1.0
    longest: int = 8
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    parallel: int = 4

    KIND: ClassVar[str] = "chat"
    batch: ClassVar[int] = 1

    @classmethod
    def read(cls, fields: Fields) -> "ChatTemplate":
        """Take a template out of a victim file; `labels` is a list, or an object of label and word.

        Raises:
            BadInput: Something is missing or does not fit.
        """
        given = fields.take("labels")
        labels = check_labels(given, fields.where)
        words = tuple(given.values()) if isinstance(given, dict) else labels
        if not all(isinstance(word, str) and _bare(word) for word in words):
            raise BadInput(f"{fields.where}: each label needs a word that the model can answer with.")
        bare = [_bare(word) for word in words]
        for i, word in enumerate(bare):
            if any(other.startswith(word) for other in bare[:i] + bare[i + 1:]):
                raise BadInput(f"{fields.where}: the word {quote(word)} begins another label's word; choose words that "
                               "differ from their first letters on.")
        prompt = fields.text("prompt")
        if TEXT not in prompt:
            raise BadInput(f'{fields.where}: "prompt" must hold {TEXT} where the text goes.')
        options = fields.take("options", {})
        if not isinstance(options, dict) or {"messages", "model", "n", "stream"} & {*options}:
            raise BadInput(f'{fields.where}: "options" must be an object of more fields for the request, without '
                           "messages, model, n and stream.")
        return cls(labels, words, fields.text("model"), prompt, fields.text("system", ""),
                   fields.whole("votes", 0, 0, _MOST_VOTES), fields.whole("top_logprobs", _TOP, 2, 100),
                   float(fields.number("temperature", 1.0, 0, 2)), fields.whole("max_tokens", 8, 1, 1000), options,
                   fields.whole("parallel", 4, 1, MOST_PARALLEL))

    @property
    def note(self) -> str:
        """What its scores are not; empty for log-probabilities."""
        return f"The model's scores are shares of {self.votes} votes, in steps of 1/{self.votes}." if self.votes else ""

    def to_record(self) -> dict[str, Any]:
        """Return all that decides answers."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name != "parallel"}

    def make_request(self, text: str, samples: int) -> dict[str, Any]:
        """Return the request about a text."""
        messages = [{"role": "system", "content": self.system}] if self.system else []
        messages.append({"role": "user", "content": self.prompt.replace(TEXT, text)})
        body: dict[str, Any] = {"model": self.model, "messages": messages}
        if self.votes:
            body |= {"n": samples, "temperature": self.temperature, "max_tokens": self.longest}
        else:
            body |= {"temperature": 0, "max_tokens": 1, "logprobs": True, "top_logprobs": self.top}
        return {name: value for name, value in (body | dict(self.options)).items() if value is not None}

    def read_logprobs(self, answer: object, who: str) -> np.ndarray:
        """Return the (1, classes) probabilities of the label words' first tokens.

        Raises:
            BadInput: The answer shows no log-probabilities, or no label word begins with any of the tokens.
        """
        try:
            top = dig(answer, "choices.0.logprobs.content.0.top_logprobs", who)
            pairs = [(_bare(each["token"]), float(each["logprob"])) for each in top]
        except (BadInput, KeyError, TypeError, ValueError):
            raise BadInput(f'{who} shows no log-probabilities of tokens; use "votes": 5, or a server that has '
                           "top_logprobs.") from None
        sums = np.zeros(len(self.labels))
        for token, logprob in pairs:
            owners = [i for i, word in enumerate(self.words) if token and _bare(word).startswith(token)]
            # A beginning that several words share speaks for none of them.
            if len(owners) == 1 and not math.isnan(logprob):
                sums[owners[0]] += math.exp(min(logprob, 0.0))
        if not sums.sum() > 0:
            seen = ", ".join(repr(token) for token, _ in pairs[:4])
            raise BadInput(f"{who}: none of the label words is among the likeliest first tokens ({seen}, …); name the "
                           "words in the prompt.")
        return check_probabilities([sums / sums.sum()], 1, self.labels, who)

    def read_vote(self, content: object) -> int | None:
        """Return the label that an answer names; None where it names none or several."""
        said = _bare(content) if isinstance(content, str) else ""
        bare = [_bare(word) for word in self.words]
        first = [i for i, word in enumerate(bare) if re.match(rf"{re.escape(word)}(?!\w)", said)]
        named = first or [i for i, word in enumerate(bare) if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", said)]
        return named[0] if len(named) == 1 else None


class ChatSource:
    """Asks a language model about one text at a time."""

    batch = 1

    def __init__(self, who: str, template: ChatTemplate, sender: Sender) -> None:
        self._who, self._template, self._sender = who, template, sender
        self.parallel = template.parallel

    def ask(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n, classes) float32 probabilities of texts, by a request each or more."""
        return np.concatenate([self._ask_one(text) for text in texts])

    def _ask_one(self, text: str) -> np.ndarray:
        if not self._template.votes:
            return self._template.read_logprobs(self._post(text, 1), self._who)
        votes, cast, said = np.zeros(len(self._template.labels)), 0, ""
        # Servers that know no "n" give one sample a request.
        while cast < self._template.votes:
            choices = dig(self._post(text, self._template.votes - cast), "choices", self._who)
            if not isinstance(choices, list) or not choices:
                raise BadInput(f"{self._who} gives no choices.")
            for choice in choices[: self._template.votes - cast]:
                content = dig(choice, "message.content", self._who)
                place, cast, said = self._template.read_vote(content), cast + 1, str(content)
                if place is not None:
                    votes[place] += 1
        if not votes.sum():
            raise BadInput(f"{self._who} answered {quote(shorten(said, 60))} with none of the label words; name them "
                           "in the prompt.")
        return check_probabilities([votes / votes.sum()], 1, self._template.labels, self._who)

    def _post(self, text: str, samples: int) -> Any:  # noqa: ANN401 (JSON)
        body = self._template.make_request(text, samples)
        longest = body.get("max_completion_tokens", body.get("max_tokens", self._template.longest))
        sent = sum(len(message["content"].encode()) + _ADDED for message in body["messages"])
        most = (sent, int(longest) * samples if isinstance(longest, int | float) else 0)
        return self._sender.post(body, most, _count_tokens)


def _count_tokens(answer: object) -> Tokens | None:
    """Return the tokens (in, out) that an answer says it took; None where it does not say."""
    usage = answer.get("usage") if isinstance(answer, dict) else None
    if not isinstance(usage, dict):
        return None
    found = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
    counts = [value for value in found if isinstance(value, int) and not isinstance(value, bool) and value >= 0]
    return (counts[0], counts[1]) if len(counts) == 2 else None


def _bare(word: object) -> str:
    """Return a word or token in small letters, without what stands around it."""
    return _BARE.sub("", str(word)).casefold()

