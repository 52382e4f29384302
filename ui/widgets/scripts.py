"""The JavaScript that Streamlit's own widgets lack: constants of the program, never made from what is typed."""

import streamlit as st

# Milliseconds without a key after which what was typed is sent.
PAUSE = 350
# One listener for the whole window, whatever box is drawn anew. Ctrl+Enter is how Streamlit's own box sends its text,
# which it does by itself only when the box is left. What is being composed from several keys, as in Chinese, is left
# alone until it stands.
_FOLLOW_TYPING = """<script>
if (!window.rxTyping) {
  window.rxTyping = true;
  let timer = 0;
  document.addEventListener("input", event => {
    const box = event.target;
    if (!event.isTrusted || event.isComposing || !box.matches(".st-key-KEY textarea")) return;
    clearTimeout(timer);
    timer = setTimeout(() => box.dispatchEvent(new KeyboardEvent(
      "keydown", {key: "Enter", code: "Enter", keyCode: 13, ctrlKey: true, bubbles: true})), PAUSE);
  });
}
</script>"""
# On a phone the sidebar lies over the page, and stays there when its link has led to another one.
_CLOSE_SIDEBAR = """<script>
if (!window.rxSidebar) {
  window.rxSidebar = true;
  document.addEventListener("click", event => {
    if (window.innerWidth > 768 || !event.target.closest("[data-testid=stSidebarNavLink]")) return;
    setTimeout(() => document.querySelector("[data-testid=stSidebarCollapseButton] button")?.click(), 150);
  });
}
</script>"""


def follow_typing(key: str) -> None:
    """Send the text of a box after each pause in typing.

    Args:
        key: Key of the text area; a constant of the program.
    """
    _run(_FOLLOW_TYPING.replace("PAUSE", str(PAUSE)).replace("KEY", key))


def close_sidebar_on_phones() -> None:
    """Close the sidebar behind a link to another page where it covers the page."""
    _run(_CLOSE_SIDEBAR)


def _run(script: str) -> None:
    # In the sidebar: in the page, what holds a script would take up a line.
    st.sidebar.html(script, unsafe_allow_javascript=True)
