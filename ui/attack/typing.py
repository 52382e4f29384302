"""A text box whose text is sent while a person types: Streamlit sends one only when the box is left."""

import streamlit as st

# Milliseconds without a key after which what was typed is sent.
PAUSE = 350
# One listener for the whole window, whatever box is drawn anew. Ctrl+Enter is how Streamlit's own box sends its text.
# What is being composed from several keys, as in Chinese, is left alone until it stands.
_SCRIPT = """<script>
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


def follow_typing(key: str) -> None:
    """Send the text of a box after each pause in typing.

    Args:
        key: Key of the text area; a constant of the program.
    """
    st.html(_SCRIPT.replace("PAUSE", str(PAUSE)).replace("KEY", key), unsafe_allow_javascript=True)
