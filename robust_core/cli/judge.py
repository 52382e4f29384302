"""Judgements on adversarial texts: judge."""

from typing import Annotated

import typer

from robust_core.cli.options import Json
from robust_core.cli.output import Columns, format_number, format_percent, name_column, show_rows
from robust_core.cli.program import app
from robust_core.errors import BadInput
from robust_core.files import check_path, read_bytes
from robust_core.judging import agreement, scores
from robust_core.judging.kept import read_content
from robust_core.judging.records import Judged
from robust_core.table_files import MOST_BYTES


@app.command()
def judge(files: Annotated[list[str], typer.Argument(help="Files of judgements, JSONL or CSV.")],
          as_json: Json = False) -> None:
    """Score judgements that the Judge page exported: labels kept, valid success, agreement of the judges.

    Several files are put together; of several judgements of a judge on a text the last one counts. Rows without a judge
    are what most judges say.
    """
    judged: list[Judged] = []
    for name in files:
        path = check_path(name, "file of judgements")
        judged += read_content(path.name, read_bytes(path, MOST_BYTES))
    if not judged:
        raise BadInput("These files hold no judgements.")
    shares = [scores.to_row(score, who) for who, own in scores.score_judges(judged).items() for score in own]
    agreeing = [agreement.to_row(found) for found in agreement.measure_agreement(judged)]
    if as_json:
        show_rows([*shares, *agreeing], True, {})
        return
    several = len({row["source"] for row in shares if row["source"]}) > 1
    show_rows(shares, False, _SHARES if several else {title: cell for title, cell in _SHARES.items()
                                                      if title != "Source"}, [] if agreeing else [scores.MEANING])
    if agreeing:
        show_rows(agreeing, False, _AGREEMENT, [scores.MEANING])


_SHARES: Columns = {
    "Judge": name_column("judge"), "Texts": lambda row: f"{row['kind']}, {row['texts']}",
    "Source": name_column("source"), "Model": name_column("model"),
    "Attack": lambda row: ", ".join(filter(None, (row["attack"], row["preset"]))),
    "Label kept %": format_percent("label_kept"), "Passable English %": format_percent("passable"),
    "Raw success %": lambda row: "" if row["attempted"] is None else format_percent("success")(row),
    "Valid success %": lambda row: "" if row["attempted"] is None else format_percent("valid_success")(row),
}
_AGREEMENT: Columns = {
    "Agreement on": name_column("agreement"), "Judges": name_column("judges"), "Texts": name_column("texts"),
    "Pairs that agree %": format_percent("observed"), "By": name_column("method"), "Kappa": format_number("kappa"),
}
