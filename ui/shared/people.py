"""Whose texts, models and trainings are whose, where several people share one app.

Bound to this machine alone, the app is one person's, and everything is as that person left it. Bound to any other
address, or behind a proxy, each person has a folder of their own below the folder of runs. Who is who: the account
where people log in, otherwise the browser, until it is closed.
"""

import hashlib
import ipaddress
import secrets

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from robust_core import environment, owners, paths
from robust_core.errors import BadInput

# Megabytes of any uploaded file but a model.
MOST_UPLOAD = 10
_KEY = "person"
# The cookie that Streamlit gives each browser against forged requests; only that browser knows what it holds.
_COOKIE = "_streamlit_xsrf"
# What a proxy adds to what it passes on.
_PASSED_ON = ("Forwarded", "X-Forwarded-For", "X-Real-Ip")


def tell_people_apart() -> None:
    """Let the engine ask whose folder is meant."""
    owners.tell_people_apart(find_person)


def is_shared_server() -> bool:
    """Return whether people on other machines may reach this app."""
    told = environment.is_shared()
    if told is not None:
        return told
    address = st.get_option("server.address") or ""
    try:
        if address != "localhost" and not ipaddress.ip_address(address).is_loopback:
            return True
    except ValueError:
        return True
    # Streamlit makes them anew at each look, and a redraw asks some hundred times.
    headers = st.context.headers
    return any(name in headers for name in _PASSED_ON)


def find_person() -> str:
    """Return the name of the person's folder; empty outside a session, and where the app is one person's."""
    if get_script_run_ctx(suppress_warning=True) is None or not is_shared_server():
        return ""
    if _KEY not in st.session_state:
        st.session_state[_KEY] = _identify()
    return st.session_state[_KEY]


def _identify() -> str:
    """Return a name that tells nothing: a hash of the account, of the browser's cookie, or of a number drawn now."""
    account = st.user.to_dict()
    known = [str(account.get(name) or "") for name in ("iss", "sub", "email")] if account.get("is_logged_in") else []
    if any(known):
        secret = "account " + " ".join(known)
    else:
        cookie = _read_cookie(st.context.cookies.get(_COOKIE, ""))
        secret = f"browser {cookie}" if cookie else f"session {secrets.token_hex(16)}"
    return hashlib.sha256(secret.encode()).hexdigest()[:32]


def _read_cookie(value: str) -> str:
    """Return what stays the same in Streamlit's cookie, `2|mask|masked token|time`; each answer masks it anew."""
    parts = value.strip("\"'").split("|")
    try:
        if len(parts) != 4 or parts[0] != "2":
            return ""
        mask, masked = bytes.fromhex(parts[1]), bytes.fromhex(parts[2])
    except ValueError:
        return ""
    # A short token could be guessed.
    return bytes(c ^ mask[i % len(mask)] for i, c in enumerate(masked)).hex() if mask and len(masked) >= 16 else ""


def check_uploads() -> None:
    """Refuse another data set or file where there are too many.

    Raises:
        BadInput: This person, or all together, brought as many as are allowed.
    """
    own, all_ = paths.count_uploads()
    most, most_of_all = environment.read_limit("uploads"), environment.read_limit("all_uploads")
    if find_person() and own >= most:
        raise BadInput(f"You have brought {own} data sets and files; {most} are the most. Use one of those that are "
                       "here.")
    if all_ >= most_of_all:
        raise BadInput(f"{all_} data sets and files were brought here; {most_of_all} are the most. Ask whoever runs "
                       "this app.")


def check_models() -> None:
    """Refuse another model where there are too many.

    Raises:
        BadInput: This person, or all together, brought as many as are allowed.
    """
    own, all_ = paths.count_models()
    most, most_of_all = environment.read_limit("models"), environment.read_limit("all_models")
    if find_person() and own >= most:
        raise BadInput(f"You have brought {own} models; {most} are the most. Remove one first.")
    if all_ >= most_of_all:
        raise BadInput(f"{all_} models were brought here; {most_of_all} are the most. Remove one, or ask whoever runs "
                       "this app.")
