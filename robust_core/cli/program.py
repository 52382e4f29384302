"""The program: its commands by name, each imported when it is asked for, and errors as one line."""

import atexit
import collections
import contextlib
import importlib
import logging
import os
import sys
import threading
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command_from_info

from robust_core.errors import LONGEST_MESSAGE, BadInput, RobustError, quote, shorten
from robust_core.files import describe_failure

INTERRUPTED = 130


class Command(NamedTuple):
    """Where a command is defined, and the first line of its help: so that `--help` imports none of them.

    Attributes:
        module: Its module, below `robust_core.cli`.
        help: The first line of its docstring.
    """

    module: str
    help: str


# In the order in which --help lists them.
COMMANDS = {
    "serve": Command("serve", "Start the app on this machine and say its address; Ctrl-C ends it."),
    "models": Command(
        "doctor", "List the models that are here, and what is known to be wrong with how one was trained."
    ),
    "doctor": Command(
        "doctor", "Check that everything needed is here and attacks work; exit code 1 when something is not right."
    ),
    "predict": Command("one_text", "Classify a text."),
    "attack": Command(
        "one_text", "Change words of a text until each model's prediction flips; Ctrl-C shows the best so far."
    ),
    "trigger": Command(
        "trigger", "Search for one phrase that misleads a model on most texts; Ctrl-C keeps the best so far."
    ),
    "explain": Command(
        "one_text", "Show how much each word speaks for a class, and how stable that is between two texts."
    ),
    "train": Command(
        "train", "Train classifiers, select the best epoch on dev, and store them; after Ctrl-C --resume goes on."
    ),
    "evaluate": Command(
        "evaluate",
        "Measure accuracy, attacks and the stability of explanations on a data set; a killed run goes on where it was.",
    ),
    "guard": Command(
        "guard",
        "Measure guards in front of a model: attacks that know of them and not, what is caught, false alarms.",
    ),
    "augment": Command(
        "augment",
        "Make more rows of a file of labelled texts, by swapped words or an attack; labels stay, each row says its "
        "origin.",
    ),
    "test": Command(
        "suite",
        "Hold a model to the limits of a suite; exit code 1 only where a confidence bound says that it breaks one.",
    ),
    "sweep": Command(
        "sweep", "Attack many models in many ways by several workers; what is stored is not computed again."
    ),
    "reproduce": Command(
        "papers",
        "Repeat an experiment of a paper and print its table; what has been computed before is not computed again.",
    ),
    "lessons": Command("lessons", "List the lessons of the app, or check files of lessons before anybody sees them."),
    "judge": Command(
        "judge", "Score judgements that the Judge page exported: labels kept, valid success, agreement of the judges."
    ),
    "table": Command(
        "papers", "Make the tables and figures of README.md and docs/ from results/, or check them and every claim."
    ),
    "leaderboard": Command(
        "leaderboard", "Show what each model keeps under each attack, from results/, or check a file with a new entry."
    ),
    "report": Command(
        "report", "Write what is stored of runs, with examples, warnings and what to do next, as one HTML file."
    ),
    "claims": Command("claims", "Measure claims of results/ again, in an empty store (draw), or take some out (drop)."),
    "train-encoder": Command(
        "encoders",
        "Train a sentence encoder on unlabelled sentences, select on STS-B dev, and store it as low-rank weights.",
    ),
    "evaluate-encoder": Command(
        "encoders",
        "Measure sentence encoders: similarity, classifiers on their vectors, and how easily these are fooled.",
    ),
    "similarity": Command("encoders", "Show how alike sentence encoders find two texts."),
    "certify": Command(
        "certify",
        "Prove that the input of a smoothed classifier may move so far, or that words may be swapped, without a change."
    ),
    "combine": Command(
        "combine",
        "Store a classifier made of stored ones: a core that one corrects within a bound, or one that mends typos."
    ),
    "train-smoothed": Command(
        "certify", "Train the base classifiers that `certify` smooths, one for each method and Lambda."
    ),
}


class _Command(TyperCommand):
    """A command whose options stand once, unless they may be repeated: the parser would drop all but the last value."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 (typer's own copy of click, see below)
        """Read the options.

        Raises:
            BadInput: One that takes a single value is given several times.
        """
        *_, given = self.make_parser(ctx).parse_args(args=list(args))
        for param, times in collections.Counter(given).items():
            if times > 1 and param.param_type_name == "option" and not (
                    param.multiple or getattr(param, "is_flag", False)):
                raise BadInput(f"{param.opts[-1]} takes one value and is given {times} times.")
        return super().parse_args(ctx, args)


class _Group(TyperGroup):
    """The commands, with every error that a user may see as one line on stderr and exit code 2."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 (typer's own copy of click has no public name)
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 (likewise)
        """Import the module of a command and return the command, or None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        importlib.import_module(f"robust_core.cli.{COMMANDS[cmd_name].module}")
        for info in app.registered_commands:
            info.cls = _Command
            command = get_command_from_info(info, pretty_exceptions_short=True, rich_markup_mode=None)
            if command.name == cmd_name:
                return command
        return None

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 (likewise)
        """List the commands with the first line of their help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.help) for name, command in COMMANDS.items()])

    def main(self, *args: Any, standalone_mode: bool = True, **options: Any) -> None:  # noqa: ANN401 (likewise)
        """Run a command and leave the program with its exit code."""
        for stream in (sys.stdout, sys.stderr):
            # A terminal that cannot show a character gets a question mark, not a traceback.
            with contextlib.suppress(AttributeError, ValueError):
                stream.reconfigure(errors="replace")  # type: ignore[union-attr]
        try:
            code = super().main(*args, standalone_mode=False, **options)
        except (RobustError, typer.TyperException) as error:
            message = str(error) if isinstance(error, RobustError) else error.format_message()
            typer.echo(shorten(message, LONGEST_MESSAGE), err=True)
            code = 2
        except OSError as error:
            # The last net, for what no part has explained: a disk that is full, a folder that has gone meanwhile.
            where = "" if error.filename is None else f"{quote(error.filename)}: "
            typer.echo(shorten(f"{where}{describe_failure(error)}.", LONGEST_MESSAGE), err=True)
            # An answer that cannot be printed is left unprinted when the program ends as well.
            sys.stdout = None
            code = 2
        except (KeyboardInterrupt, typer.Abort):
            code = INTERRUPTED
        sys.exit(code or 0)


def silence_libraries() -> None:
    """Keep the warnings and logs of libraries out of what the program prints, unless Python's -W asks for them."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
        # Python prints what no handler takes: our own errors are said in one line, the rest is for developers.
        logging.getLogger().addHandler(logging.NullHandler())


def run_program(words: Sequence[str] | None = None, name: str | None = None) -> NoReturn:
    """Run the command that somebody typed, and end this process as soon as everything is written.

    Args:
        words: The command and its options; those of this process by default.
        name: What the program is called in its help.
    """
    silence_libraries()
    try:
        app(args=words, prog_name=name)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    leave(code)


def leave(code: int) -> NoReturn:
    """End this process as Python does, but for taking down every object: with models in memory that is a second."""
    threading._shutdown()  # pyright: ignore[reportAttributeAccessIssue]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError, OSError):
            stream.flush()
    os._exit(code)


app = typer.Typer(cls=_Group, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
                  help="Attack, explain and evaluate text classifiers.")


@app.callback()
def _program() -> None:
    """Attack, explain and evaluate text classifiers."""
