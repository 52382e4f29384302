"""Errors a user may see: the UI and the command line show each of them in one plain line."""


class RobustError(Exception):
    """Base of every error whose message is written for the person using the tool."""


class BadInput(RobustError):
    """What was typed, chosen or uploaded cannot be used; the message says why."""


class Incompatible(RobustError):
    """Two parts that exist cannot work together, such as a defence and an architecture."""


class MissingResource(RobustError):
    """Something from outside (weights, a table, a data set) is not here.

    Args:
        what: The missing thing, in a few words.
        how_to_get_it: A command or an instruction that provides it.
    """

    def __init__(self, what: str, how_to_get_it: str) -> None:
        super().__init__(f"{what} is missing. {how_to_get_it}")
        self.what = what
        self.how_to_get_it = how_to_get_it


class UnknownName(RobustError):
    """No member of a registry or folder has this name; the message lists the known ones.

    Args:
        kind: What was looked up, such as "attack" or "model".
        name: The name that was asked for.
        known: The names that exist, in display order.
    """

    def __init__(self, kind: str, name: str, known: list[str]) -> None:
        listed = ", ".join(known) if known else "none"
        super().__init__(f"Unknown {kind} {name!r}. Known: {listed}.")
        self.kind = kind
        self.name = name
        self.known = known
