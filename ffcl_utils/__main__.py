"""Command line: python -m ffcl_utils --help names the commands.

A command imports what it needs itself: papermill, scipy and nbconvert take seconds, and the
workflow starts a command for every notebook.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ffcl_utils.config import PRESETS, ConfigError
from ffcl_utils.data.files import FULL, DataDownloadError, fetch, raw_folder
from ffcl_utils.errors import NotebookError, UserError
from ffcl_utils.files import write_json, write_whole
from ffcl_utils.paths import NOTEBOOKS, ROOT

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)


@app.command("data")
def fetch_data(
    choose_for: Annotated[
        str, typer.Option(help="Preset: print `full` or `embedded`, falling back with a warning.")
    ] = "",
) -> None:
    """Fetch and verify MNIST and Fashion-MNIST."""
    if choose_for and choose_for not in PRESETS:
        raise ConfigError(f"unknown preset {choose_for!r}: choose one of {', '.join(PRESETS)}")
    if choose_for == "smoke":
        print("embedded")
        return
    names = list(FULL)
    try:
        for name in names:
            fetch(name)
            typer.echo(f"{name}: complete and verified in {raw_folder(name)}", err=True)
    except DataDownloadError as error:
        if not choose_for:
            raise
        typer.echo(
            f"WARNING: {error}\nWARNING: going on with the embedded subset; every claim will be "
            "'not comparable'.",
            err=True,
        )
        print("embedded")
        return
    if choose_for:
        print("full")


@app.command()
def run(
    notebook: Path,
    output: Path,
    parameter: Annotated[
        list[str], typer.Option("-p", "--parameter", help="name=value, as often as needed")
    ] = [],  # noqa: B006 - typer copies it
    logs: Annotated[Path | None, typer.Option(help="where a failed copy is kept")] = None,
) -> None:
    """Execute a notebook into a folder, whole or not at all."""
    from ffcl_utils.workflow import parameters
    from ffcl_utils.workflow import runner as notebooks

    notebooks.die_with_parent()
    if not notebook.is_file():
        raise FileNotFoundError(f"no notebook {notebook}")
    pairs = [text.partition("=") for text in parameter]
    values = {name: parameters.parse_value(value) for name, _, value in pairs}
    notebooks.run_notebook(notebook, output, values, logs)


@app.command()
def claims(
    folder: Path,
    write: Annotated[Path | None, typer.Option(help="also write the rows as JSON")] = None,
    readme: Annotated[Path | None, typer.Option(help="put the table into this README")] = None,
) -> None:
    """Print the verdict on every claim from the results in a preset's folder."""
    from ffcl_utils.claims import assess as ledger
    from ffcl_utils.claims import tables as report

    rows = ledger.assess(folder)
    if write:
        write_json(write, rows)
    if readme:
        text = report.replace_table(readme, report.markdown_table(rows, links=True))
        write_whole(readme, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    typer.echo(report.plain_table(rows))
    for warning in report.warnings(rows):
        typer.echo(f"\nWARNING: {warning}")
    if any(row["verdict"] == ledger.NO_RESULT for row in rows):
        raise typer.Exit(1)


@app.command()
def verify(ours: Path, reference: Path) -> None:
    """Compare two runs metric by metric; exit with 1 where they disagree."""
    from ffcl_utils.records import verify as comparison

    table = comparison.compare_runs(ours, reference)
    typer.echo(table.to_string(index=False, float_format="{:.6g}".format))
    bad = (~table.agrees).sum()
    typer.echo(f"\n{len(table) - bad} of {len(table)} metrics agree")
    if bad:
        raise typer.Exit(1)


@app.command()
def promote(run: Path, reference: Path) -> None:
    """Make a finished run the reference: copy it, and put its claims table into the README."""
    from ffcl_utils.records import results

    results.promote(run, reference)
    claims(reference, write=reference / "claims.json", readme=ROOT / "README.md")


@app.command()
def prose(results_of: Path) -> None:
    """Give the executed notebooks of a run the text of the notebooks, where no code has changed."""
    from ffcl_utils.workflow import runner as notebooks

    stale = 0
    for executed in sorted(results_of.glob("*/executed.ipynb")):
        name = executed.parent.name.split("-")[0]
        try:
            notebooks.refresh_prose(NOTEBOOKS / f"{name}.ipynb", executed)
        except NotebookError as error:
            typer.echo(f"left as it is: {error}", err=True)
            stale += 1
    if stale:
        raise typer.Exit(1)


@app.command()
def merge(study: Path, jobs: Path, target: Path) -> None:
    """Merge the jobs of a study into target/runs.csv and a summary figure."""
    from ffcl_utils.plots import curves as plots
    from ffcl_utils.workflow import sweep as studies

    described = studies.read_study(study)
    table = studies.merge(described, jobs)
    figure = plots.study_summary(table, list(described.grid), described.metric, study.stem)
    for suffix in ("svg", "png"):
        write_whole(target / f"summary.{suffix}", figure.savefig)
    write_whole(target / "runs.csv", lambda path: table.to_csv(path, index=False))
    typer.echo(f"{len(table)} runs in {target / 'runs.csv'}")


@app.command("site")
def build_site(
    target: Path,
    results_of: Annotated[str, typer.Option("--results", help="a finished run")] = "",
    repository: Annotated[
        str, typer.Option(help="owner/name on GitHub: adds links to Binder and Colab")
    ] = "",
) -> None:
    """Make a static site of the committed results, or of another finished run."""
    from ffcl_utils import site

    site.build(results_of, target, repository)
    typer.echo(f"open {target / 'index.html'}")


def main() -> None:
    """The command line, with one line for every error that is not a defect of this package."""
    try:
        app()
    except (UserError, OSError) as error:  # OSError: a file that is not there, a full disk
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
