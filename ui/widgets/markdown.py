"""Text from outside, where Streamlit draws Markdown or Plotly draws HTML: shown as it is, never as link or markup."""

import html
import re

import streamlit as st

# Streamlit looks for links, emoji, icons and arrows once more in the text that is left when escapes are resolved, so an
# escape alone does not stop them. A colour that names no colour is a plain span: what stands in it is text of its own.
_APART = ":color[&#{};]{{}}"
_MARKUP = re.compile(r"""
    (?P<blank>\A[\t ])                                 # An indented line would be code.
  | (?P<end>\n)
  | (?P<number>(?:\A|(?<=\n))\d+)(?=[.)](?:\s|\Z))     # A list.
  | (?P<apart>
        :(?=[^\W\d]|[/:]|[\w+-]+:|\Z)                  # A directive, a link, an icon, an emoji.
      | @                                              # A mail address.
      | (?<=[wW]{3})\.
      | (?<=[-<>~])[->=](?!\w)                         # Arrows, a long dash, ≥ and the like.
    )
  | [\\`*\[\]<>$~|]
  | &(?=[\#\w])
  | (?<![^\W_])_ | _(?![^\W_])                         # Between two letters it is no markup.
  | (?:\A|(?<=\n))[-+=\#:]                             # A list, a line, a heading, a table.
""", re.VERBOSE)
# What no text holds, what a browser cannot be sent, and what Streamlit rewrites even in code.
_NO_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_INDENT = re.compile(r"(?<=\n)[\t ]+")
_REWRITTEN = ":material/"


def escape_markdown(text: object) -> str:
    """Return Markdown that shows exactly a text, whatever it holds; white space counts as a browser counts it."""
    # Blanks at the start of a later line would hide from the pattern that a sign begins the line: a heading, a list.
    return _MARKUP.sub(_escape, _INDENT.sub("", _read(text).rstrip(" \t\n")))


def _read(text: object) -> str:
    return _NO_TEXT.sub("\ufffd", str(text).replace("\r\n", "\n").replace("\r", "\n"))


def _escape(found: re.Match[str]) -> str:
    sign = found[0]
    if found["apart"]:
        return _APART.format(ord(sign))
    if found["blank"]:
        return f"&#{ord(sign)};"
    return f"{sign}\\" if found["number"] else f"\\{sign}"


def format_code(text: object) -> str:
    """Return Markdown that shows a text as code: a model id, a command; it may hold backticks."""
    line = " ".join(_read(text).split("\n"))
    if not line.strip() or _REWRITTEN in line:
        return escape_markdown(line)
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    # The blanks are dropped again; they keep a backtick, or a blank, at the ends apart from the fence.
    pad = " " if line[0] in "` " or line[-1] in "` " else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def escape_plotly(text: object) -> str:
    """Return what shows exactly a text in a name, a label or a hover text of a figure.

    Plotly draws a part of HTML, links too, and fills what stands in %{braces}.
    """
    return html.escape(" ".join(_read(text).split("\n")), quote=False).replace("{", "&#123;")


def warn(message: object, icon: str | None = None) -> None:
    """Show a plain line, such as an error's, in a box of warning."""
    st.warning(escape_markdown(message), icon=icon)


def note(message: object) -> None:
    """Show a plain line in small letters."""
    st.caption(escape_markdown(message))
