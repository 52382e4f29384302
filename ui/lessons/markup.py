"""The text of a lesson as Markdown: paragraphs, lists, **bold** and *italic*; all else is shown as it stands."""

import re

from ui.widgets.markdown import escape_markdown

_MARKED = re.compile(r"\*\*(?=\S)(?P<bold>[^*\n]+?)(?<=\S)\*\*|\*(?=\S)(?P<italic>[^*\n]+?)(?<=\S)\*")


def format_text(text: str) -> str:
    """Return Markdown that shows a lesson's text, whatever it holds."""
    blocks = [block for block in re.split(r"\n\s*\n", text.strip()) if block.strip()]
    return "\n\n".join(_format_block(block) for block in blocks)


def _format_block(block: str) -> str:
    parts: list[list[str]] = []
    for line in block.splitlines():
        if line.lstrip().startswith("- ") or not parts:
            parts.append([line.strip()])
        else:
            parts[-1].append(line.strip())
    lines = [" ".join(part) for part in parts]
    return "\n".join(f"* {format_line(line[2:])}" if line.startswith("- ") else f"{format_line(line)}\n"
                     for line in lines).rstrip("\n")


def format_line(line: str) -> str:
    """Return Markdown of one line: its marked parts bold or italic, all else as it stands."""
    made, last = "", 0
    for found in _MARKED.finditer(line):
        made += _escape(line[last:found.start()])
        bold, italic = found["bold"], found["italic"]
        made += f"**{escape_markdown(bold)}**" if bold else f"*{escape_markdown(italic)}*"
        last = found.end()
    return made + _escape(line[last:])


def _escape(part: str) -> str:
    # Blanks at the ends part it from what is marked beside it.
    inner = part.strip(" ")
    if not inner:
        return " " if part else ""
    lead, tail = " " * part.startswith(" "), " " * part.endswith(" ")
    return f"{lead}{escape_markdown(inner)}{tail}"
