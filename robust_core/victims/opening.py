"""From what somebody types to a victim: an address, a victim file, `module:function`, a skops file."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robust_core.errors import BadInput
from robust_core.file_hashes import sha256
from robust_core.files import check_path
from robust_core.victims import functions, skops_files
from robust_core.victims.answers import Answers
from robust_core.victims.chat import ChatSource, ChatTemplate
from robust_core.victims.fields import Fields, check_labels, read_fields
from robust_core.victims.functions import FunctionSource
from robust_core.victims.http_template import HttpSource, HttpTemplate
from robust_core.victims.spending import Meter, Price, Spending, format_money, to_units
from robust_core.victims.transport import Address, Sender
from robust_core.victims.victim import Victim

_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
_ADDRESSES = ("http:", "https:")
_FILE, _SKOPS = "victim:", "skops:"


def names_victim(name: str) -> bool:
    """Return whether a name means a victim, not a model that is loaded here."""
    plain = name.partition("#")[0]
    if plain.startswith((*_ADDRESSES, _FILE, _SKOPS)) or _FUNCTION.fullmatch(plain):
        return True
    return plain.endswith((".json", ".skops")) and not check_path(plain, "model").is_dir()


def open_victim(name: str, spending: Spending | None = None, answers: Answers | None = None) -> Victim:
    """Open a victim; nobody is asked anything yet.

    Args:
        name: `http://…#label,label`, a victim file (`films.json`, `victim:FILE`), `module:function` or `films.skops`
            (`skops:FILE`); the last two may end in `#label,label` too. A function's module is imported, so names
            must come from whoever may run code here, never from a page that others can reach.
        spending: Ceilings that all victims of a command share.
        answers: Where answers are kept; the folder of runs by default.

    Raises:
        BadInput: It means none, or cannot be used.
        MissingResource: A package that it needs is not installed.
    """
    spending = spending or Spending()
    plain, _, after = name.partition("#")
    labels = check_labels(after.split(","), name) if after else None
    if plain.startswith(_SKOPS) or plain.endswith(".skops"):
        return _open_skops(name, check_path(plain.removeprefix(_SKOPS), "skops file"), labels)
    answers = answers or Answers()
    if plain.startswith(_ADDRESSES):
        url = plain.removeprefix("http:") if plain.startswith(("http:http:", "http:https:")) else plain
        if labels is None:
            raise BadInput(f"Name the classes of {url} in its order: {url}#negative,positive. How it is asked and how "
                           "it answers can be said in a victim file: docs/own-endpoint.md.")
        fields = Fields({"url": url, "labels": list(labels)}, url)
    elif plain.startswith(_FILE) or plain.endswith(".json"):
        if labels is not None:
            raise BadInput(f"{name}: a victim file names its labels itself.")
        fields = read_fields(check_path(plain.removeprefix(_FILE), "victim file"))
    elif _FUNCTION.fullmatch(plain):
        return _open_function(name, plain, labels, spending, answers)
    else:
        raise BadInput(f"{name} names no victim.")
    return _open_endpoint(name, fields, spending, answers)


def _open_endpoint(name: str, fields: Fields, spending: Spending, answers: Answers) -> Victim:
    kind = fields.choice("kind", "http", (HttpTemplate.KIND, ChatTemplate.KIND))
    template = ChatTemplate.read(fields) if kind == ChatTemplate.KIND else HttpTemplate.read(fields)
    address, price = Address.read(fields), _read_price(fields.inner("price"))
    if price.by_tokens and isinstance(template, HttpTemplate) and not template.tokens:
        raise BadInput(f'{fields.where}: a price by tokens needs "tokens", the path of their number in an answer.')
    version = fields.text("version", "")
    fields.finish()
    decides = {"kind": kind, "url": address.url, "headers": dict(address.headers), "version": version,
               "template": template.to_record()}
    fingerprint = _hash(decides)
    meter = Meter(fingerprint, price, spending, answers)
    sender = Sender(fields.where, address, meter)
    source = ChatSource(fields.where, template, sender) if isinstance(template, ChatTemplate) else HttpSource(
        fields.where, template, sender)
    what = f"prompts {template.model} at {address.url}" if isinstance(template, ChatTemplate) else (
        f"asks {address.url}, {template.batch} texts a call")
    return Victim(name, template.labels, source, fingerprint, answers, template.note,
                  tuple(filter(None, (f"{name}: {what}. {_describe_spent(fingerprint, price, answers)}",
                                      template.note and f"{name}: {template.note}"))), price)


def _describe_spent(fingerprint: str, price: Price, answers: Answers) -> str:
    calls, cost = answers.read_spent(fingerprint)
    told = price.describe()
    spent = f" and {format_money(cost, price.currency)}" if price.known else ""
    return (f"Price: {told or 'none is named'}. So far {calls:,} calls{spent}; {answers.count(fingerprint):,} answers "
            "are kept and not asked for again.")


def _read_price(fields: Fields) -> Price:
    both = fields.number("per_1000_tokens", 0, 0, 1e6)
    price = Price(to_units(fields.number("per_call", 0, 0, 1e6)),
                  to_units(fields.number("per_1000_tokens_in", both, 0, 1e6)),
                  to_units(fields.number("per_1000_tokens_out", both, 0, 1e6)), fields.text("currency", "USD"))
    fields.finish()
    return price


def _open_function(name: str, plain: str, labels: tuple[str, ...] | None, spending: Spending, answers: Answers
                   ) -> Victim:
    function = functions.find_function(plain)
    named = labels or functions.read_labels(function, plain)
    fingerprint = _hash({"kind": "function", "function": functions.hash_function(function, plain), "labels": named})
    meter = Meter(fingerprint, Price(), spending, answers)
    kept = answers.count(fingerprint)
    about = (f"{name}: a Python function. {kept:,} answers are kept and not asked for again, until its file or its "
             "`version` changes.")
    return Victim(name, named, FunctionSource(plain, function, named, meter), fingerprint, answers, about=(about,))


def _open_skops(name: str, path: Path, labels: tuple[str, ...] | None) -> Victim:
    model = skops_files.open_pipeline(path)
    named = skops_files.read_classes(model, path.name)
    if labels is not None and len(labels) != len(named):
        raise BadInput(f"{path.name} has {len(named)} classes, not {len(labels)}.")
    named = labels or named
    fingerprint = _hash({"kind": "skops", "file": sha256(path), "labels": named})
    return Victim(name, named, FunctionSource(path.name, model.predict_proba, named), fingerprint)


def _hash(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
