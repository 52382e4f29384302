"""What Streamlit would draw of Markdown, without a browser; and texts that try to be more than text.

Streamlit parses CommonMark with tables and strike-through, then looks in each piece of text that is left for links,
mail addresses, emoji, icons and arrows. A span without colours, `:color[..]{}`, is a piece of its own.
"""

import re
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message
from markdown_it import MarkdownIt
from streamlit.testing.v1 import AppTest

_PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
_SPAN = re.compile(r":color\[&#(\d+);\]\{\}")
# A private-use character stands for each span while the rest is parsed.
_FIRST = 0xE000
_FOUND_IN_TEXT = [
    r"(?i)https?://[-.\w]", r"(?i)\bwww\.[-\w]", r"[-.\w+]+@[-\w]+\.", r":[\w+-]+:", r":streamlit:",
    r"(?:^|\s)(?:<->|->|<-|--|>=|<=|~=)(?:\s|$)"]
_DIRECTIVE, _MATHS = re.compile(r"(?<!\\):[^\W\d_]"), re.compile(r"(?<!\\)\$")


def draw(source: str) -> tuple[str, list[str]]:
    """Return the text that a reader sees, and whatever is more than text: elements, links, icons, maths."""
    placed = _SPAN.sub(lambda found: chr(_FIRST + int(found[1])), source)
    text, more = "", []
    for block in _PARSER.parse(placed):
        if block.type not in ("paragraph_open", "paragraph_close", "inline"):
            more.append(block.type)
        pieces, shown = [""], ""
        for token in block.children or []:
            shown += "\n" if token.type in ("softbreak", "hardbreak") else token.content
            if token.type == "text":
                pieces[-1] += token.content
                continue
            pieces.append("")
            if token.type not in ("softbreak", "hardbreak"):
                more.append(token.type)
        for piece in pieces:
            more += [rule for part in re.split("[\ue000-\uf8ff]", piece) for rule in _FOUND_IN_TEXT
                     if re.search(rule, part)]
        text += shown
    bare = re.sub(r"(`+).*?\1", "", placed.replace(r"\`", "'"))
    more += [rule.pattern for rule in (_DIRECTIVE, _MATHS) if rule.search(bare)] if "code_inline" not in more else []
    return re.sub("[\ue000-\uf8ff]", lambda found: chr(ord(found[0]) - _FIRST), text), more


HOSTILE = [
    "![x](http://evil.example/a.png)", "[log in](http://evil.example/)", "[log in][a]\n\n[a]: http://evil.example",
    "<http://evil.example>", "http://evil.example/x?y=1&z", "https://evil.example.", "HTTP://EVIL.EXAMPLE/",
    "www.evil.example/path", "WWW.EVIL.EXAMPLE", "(www.evil.example)", "x@evil.example", "mailto:x@evil.example",
    "<x@evil.example>", "xmpp:x@evil.example/y", "a+b.c@evil.example now", "<img src=http://evil.example/b.png>",
    "<a href='http://evil.example'>x</a>", "<script>alert(1)</script>", "<iframe src=//evil.example></iframe>",
    "<!-- x -->", "<b>x</b>", "&lt;b&gt;", "&amp;", "&#60;b&#62;", "&copy;", ":material/home:", "a :material/home: b",
    ":smile:", ":+1:", ":-1: x", "12:30:45:", ":100:", ":streamlit:", ":red[alert]", ":blue-background[x]",
    ":small[y]", ":color[z]{foreground=red}", ":color[x]{}", ":color[&#58;]{}", ":help[q]", ":rainbow[x]",
    ":red-badge[x]", "a:red b", "::leaf[x]{a=b}", ":::box\nx\n:::", ":x[http://evil.example]", "$x^2$", "$$y$$",
    "cost $5 and $6", "`code`", "``more``", "```\nfence\n```", "~~~\nfence\n~~~", "*i*", "**b**", "_i_", "__b__",
    "***x***", "~~gone~~", "# heading", "###### h", "a\n===", "a\n---", "---", "***", "___", "- item", "+ item",
    "* item", "1. item", "1) item", "123456789. x", "> quote", ">x", "    code", "\tcode",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "a|b\n-|-\n1|2", "- [ ] todo", "[^1] x [^1]: note", "a -> b", "-> b", "x <- y <-> z", "a -- b", "x --", "a >= b",
    "a <= b", "a ~= b", "a\n\nb", "a\\\nb", "a  \nb", "end\\", "\\", "\\\\", "\\*x\\*", "\\[x](http://evil.example)",
    "\\`x\\`", "!\\[x](http://evil.example)", "]( http://evil.example", "](http://evil.example)", "[", "]", "![", "`",
    "``", "*", "_", "~", "<", ">", "&", "#", ":", ":x", "x:", "@", "www.", "http://", "http:/", "|", "$", "\n", "\n\n",
    " x", "  x", "{x}", "%{x}", "<extra></extra>", "=cmd|' /C calc'!A0", "=HYPERLINK(\"http://evil.example\")",
    "javascript:alert(1)", "data:text/html,<b>x", "//evil.example/x", "file:///etc/passwd", "\x00", "a\x1b[31mb",
    "\r\nx", "\ud800", "\u202eabc", "\u2028x", "漢字 🙂", "a" * 5000, "[" * 500, "*" * 500, "`" * 500 + "x",
    ":" * 500, "<" * 500,
    "![x](" * 100, "> " * 200 + "x", "- " * 200 + "x", "http://evil.example/" * 50,
]


def list_markdown(at: AppTest) -> Iterator[str]:
    """Yield every text of a page that Streamlit draws as Markdown."""
    for block in (at.main, at.sidebar):
        for node in block:
            kind, proto = node.type, getattr(node, "proto", None)
            if isinstance(proto, Message) and kind not in ("html", "code", "text_area_value", "arrow_data_frame"):
                yield from _list_texts(proto, kind)


def _list_texts(proto: Any, kind: str) -> Iterator[str]:  # noqa: ANN401 (any message)
    names = {"label", "help", "body", "caption", "tooltip", "text", "content"}
    plain = {"text": "body"}.get(kind, "")
    for field, value in proto.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for one in value if isinstance(value, list) or hasattr(value, "append") else [value]:
                yield from _list_texts(one, kind)
        elif isinstance(value, str):
            if field.name in names and field.name != plain:
                yield value
        elif kind in ("radio", "button_group", "select_slider", "slider") and field.name == "options":
            yield from value
