"""Every place where a page draws Markdown: what is no constant goes through the one function that makes it plain."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from robust_core.paths import ROOT

# What Streamlit draws as Markdown, by position; every label, help, text and caption by name.
BODY = {"warning", "info", "error", "success", "caption", "markdown", "write", "toast", "title", "header", "subheader",
        "expander", "button", "download_button", "form_submit_button", "link_button", "selectbox", "multiselect",
        "radio", "segmented_control", "pills", "select_slider", "slider", "number_input", "text_input", "text_area",
        "toggle", "checkbox", "file_uploader", "spinner", "popover", "status", "badge", "dialog", "tabs", "page_link",
        "chat_message", "camera_input", "audio_input", "color_picker", "date_input", "time_input", "feedback"}
MORE = {"metric": (0, 1, 2), "progress": (1,), "text": (), "image": (1,), "plotly_chart": (), "dataframe": ()}
NAMES = ("label", "body", "help", "text", "caption", "captions", "delta", "delta_description")
# These draw their options as Markdown, too; those of selectbox and multiselect are plain.
OPTIONS = {"radio", "segmented_control", "pills", "select_slider"}
# `format_line` and `format_text` mark what stands between stars; all else goes through `escape_markdown`.
PLAIN = {"escape_markdown", "format_code", "format_line", "format_text"}
NUMBER = re.compile(r"[+,.\d]*[fgde%]?|,")

# What was looked at: text of the program's own, or made safe where it is made. A page's file and the expression.
REVIEWED: dict[str, set[str]] = {
    "app.py": {"here.title", "here.subtitle"},  # first line of a page's own file
    "pages/5_Certified.py": {"[WORDS, DISTANCE]"},
    "pages/12_About.py": {"selection.TAU_AT_LEAST", "phrases.format_percent(selection.TOP5_AT_LEAST)"},
    "ui/about/glossary.py": {"'\\n'.join((f'* **{term}**: {meaning}' for term, meaning in TERMS))"},
    "ui/about/methods.py": {"explanation.title", "explanation.text"},
    "ui/about/sources.py": {"ATTACKS[name].title", "values",
                            "'\\n'.join((f'* {method.title}: <{method.source}>' for method in methods))"},
    "ui/attack/comparison_table.py": {"verdicts.describe_rule(chosen.limits)", "_name_sources(now).__getitem__"},
    # Made plain itself; words of the program's own.
    "ui/attack/examples.py": {"escape_markdown", "kinds"},
    "ui/attack/live.py": {"fluency.MEANING", "cards.describe_queue(now.queue)"},
    "ui/certified/accuracy.py": {"seeds", "votes"},
    "ui/certified/digits.py": {"loaded.scales('dssn')"},
    "ui/certified/distance.py": {"_EXPLANATION", "text.LAMBDAS"},
    "ui/certified/text.py": {"help_", "sure"},
    # Made plain one by one.
    "ui/certified/word_accuracy.py": {"commands", "sizes", "seeds"},
    "ui/certified/words.py": {"options", "word_chart.EXPLANATION"},
    "ui/embeddings/page.py": {"choices"},
    "ui/embeddings/perturbation.py": {"RADII", "_READ"},
    "ui/embeddings/text_map.py": {"embedding_space.MAPS.__getitem__", "picking.HOW"},
    "ui/frame.py": {"label", "help_", "cards.describe_queue(now.queue)", "attack_page"},
    "ui/judge/page.py": {"[JUDGE, RESULT, EVERYONE]"},
    "ui/lessons/comparing.py": {"_LEGEND"},
    # Labels of buttons, of the program's own.
    "ui/lessons/proofs.py": {"label"},
    "ui/lessons/running.py": {"label", "_RUNNING"},
    "ui/models/tables.py": {"f'{card.dev_accuracy:.1%}'.replace('%', ' %')"},
    "ui/own/data.py": {"[MEASURE, TRAIN]"},
    "ui/own/model.py": {"kinds"},
    "ui/own/more_rows.py": {"f'Download {kind[1:].upper()}'"},
    "ui/own/table_form.py": {"HELP"},
    "ui/saliency/faithfulness.py": {"help_", "waiting"},
    "ui/saliency/page.py": {"picking.HOW", "choices", "chosen.explainer.title", "verdicts.describe_rule(chosen.limits)",
                            "names.__getitem__"},
    "ui/saliency/stored_results.py": {"picking.HOW", "[CHANGED, ALL]", "[EVERYWHERE, *QUADRANTS.values()]"},
    # Made plain itself.
    "ui/session/locks.py": {"escape_markdown"},
    # Names and lines of the program's own.
    "ui/session/presets.py": {"str.capitalize", "describe_refusal(type(attack))"},
    "ui/train/form.py": {"[SAMPLE, KNOWN, OWN]"},
    "ui/train/own_files.py": {"label", "about"},
    # Names and help of registered methods and of their parameters.
    "ui/widgets/forms.py": {"label", "help_", "cls.title", "about", "cls.source"},
    "ui/word_importance/plots.py": {"picking.HOW", "title", "p"},
}


def list_files() -> list[Path]:
    return [ROOT / "app.py", *sorted((ROOT / "pages").glob("*.py")), *sorted((ROOT / "ui").rglob("*.py"))]


def list_drawn(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield every expression that Streamlit draws as Markdown."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        name, owner = call.func.attr, ast.unparse(call.func.value)
        if owner in ("_LOG", "log"):
            continue
        at = (0,) if name in BODY else MORE.get(name, ())
        yield from (call.args[i] for i in at if i < len(call.args))
        if name in BODY or name in MORE or name.endswith("Column"):
            yield from (k.value for k in call.keywords if k.arg in NAMES)
        if name in OPTIONS:
            given = {k.arg: k.value for k in call.keywords}
            options = call.args[1:2] + [value for key, value in given.items() if key == "options"]
            yield from [given["format_func"]] if "format_func" in given else options


def is_plain(node: ast.expr, safe: set[str]) -> bool:
    """Return whether an expression can hold nothing from outside that is not made plain."""
    def plain(part: ast.expr) -> bool:
        return is_plain(part, safe)

    if isinstance(node, ast.Constant) or ast.unparse(node) in safe:
        return True
    if isinstance(node, ast.JoinedStr):
        return all(map(plain, node.values))
    if isinstance(node, ast.FormattedValue):
        spec = ast.unparse(node.format_spec)[2:-1] if node.format_spec else ""
        return bool(spec) and bool(NUMBER.fullmatch(spec)) or plain(node.value)
    if isinstance(node, ast.BinOp):
        return plain(node.left) and plain(node.right)
    if isinstance(node, ast.IfExp):
        return plain(node.body) and plain(node.orelse)
    if isinstance(node, ast.Lambda):
        return plain(node.body)
    if isinstance(node, ast.BoolOp):
        return all(map(plain, node.values))
    if isinstance(node, ast.List | ast.Tuple):
        return all(map(plain, node.elts))
    if isinstance(node, ast.Starred):
        return plain(node.value) or ast.unparse(node.value).startswith("map(escape_markdown, ")
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in PLAIN | {"len", "round", "int"}
    return False


def list_unsafe(source: str, safe: set[str] = frozenset()) -> list[str]:
    return [ast.unparse(node) for node in list_drawn(ast.parse(source)) if not is_plain(node, set(safe))]


def test_every_drawn_text_is_plain():
    found = {}
    for path in list_files():
        name = path.relative_to(ROOT).as_posix()
        source = path.read_text(encoding="utf-8")
        if unsafe := list_unsafe(source, REVIEWED.get(name, set())):
            found[name] = unsafe
    assert not found, found
