"""Command line: python -m ffcl_utils --help names the commands."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ffcl_utils import claims as ledger
from ffcl_utils import (
    comparison,
    config,
    data,
    devices,
    files,
    notebooks,
    plots,
    report,
    results,
    site,
)
from ffcl_utils import study as studies
from ffcl_utils.paths import NOTEBOOKS, ROOT

EXPECTED = (
    config.ConfigError,
    data.DataError,
    devices.DeviceError,
    files.OutputError,
    notebooks.NotebookError,
    comparison.NotTheSameExperimentError,
    results.PromotionError,
    OSError,  # a file that is not there, a full disk
)
app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)


@app.command("data")
def fetch_data(
    choose_for: Annotated[
        str, typer.Option(help="Preset: print `full` or `embedded`, falling back with a warning.")
    ] = "",
) -> None:
    """Fetch and verify MNIST and Fashion-MNIST."""
    if choose_for and choose_for not in config.PRESETS:
        raise config.ConfigError(
            f"unknown preset {choose_for!r}: choose one of {', '.join(config.PRESETS)}"
        )
    if choose_for == "smoke":
        print("embedded")
        return
    names = list(data.FULL)
    try:
        for name in names:
            data.fetch(name)
            typer.echo(f"{name}: complete and verified in {data.raw_folder(name)}", err=True)
    except data.DataDownloadError as error:
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
    notebooks.die_with_parent()
    if not notebook.is_file():
        raise FileNotFoundError(f"no notebook {notebook}")
    pairs = [text.partition("=") for text in parameter]
    values = {name: notebooks.parse_value(value) for name, _, value in pairs}
    notebooks.run_notebook(notebook, output, values, logs)


@app.command()
def claims(
    folder: Path,
    write: Annotated[Path | None, typer.Option(help="also write the rows as JSON")] = None,
    readme: Annotated[Path | None, typer.Option(help="put the table into this README")] = None,
) -> None:
    """Print the verdict on every claim from the results in a preset's folder."""
    rows = ledger.assess(folder)
    if write:
        files.write_json(write, rows)
    if readme:
        text = report.replace_table(readme, report.markdown_table(rows, links=True))
        files.write_whole(readme, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    typer.echo(report.plain_table(rows))
    for warning in report.warnings(rows):
        typer.echo(f"\nWARNING: {warning}")
    if any(row["verdict"] == ledger.NO_RESULT for row in rows):
        raise typer.Exit(1)


@app.command()
def verify(ours: Path, reference: Path) -> None:
    """Compare two runs metric by metric; exit with 1 where they disagree."""
    table = comparison.compare_runs(ours, reference)
    typer.echo(table.to_string(index=False, float_format="{:.6g}".format))
    bad = (~table.agrees).sum()
    typer.echo(f"\n{len(table) - bad} of {len(table)} metrics agree")
    if bad:
        raise typer.Exit(1)


@app.command()
def promote(run: Path, reference: Path) -> None:
    """Make a finished run the reference: copy it, and put its claims table into the README."""
    results.promote(run, reference)
    claims(reference, write=reference / "claims.json", readme=ROOT / "README.md")


@app.command()
def prose(results_of: Path) -> None:
    """Give the executed notebooks of a run the text of the notebooks, where no code has changed."""
    stale = 0
    for executed in sorted(results_of.glob("*/executed.ipynb")):
        name = executed.parent.name.split("-")[0]
        try:
            notebooks.refresh_prose(NOTEBOOKS / f"{name}.ipynb", executed)
        except notebooks.NotebookError as error:
            typer.echo(f"left as it is: {error}", err=True)
            stale += 1
    if stale:
        raise typer.Exit(1)


@app.command()
def merge(study: Path, jobs: Path, target: Path) -> None:
    """Merge the jobs of a study into target/runs.csv and a summary figure."""
    described = studies.read_study(study)
    table = studies.merge(described, jobs)
    figure = plots.study_summary(table, list(described.grid), described.metric, study.stem)
    for suffix in ("svg", "png"):
        files.write_whole(target / f"summary.{suffix}", figure.savefig)
    files.write_whole(target / "runs.csv", lambda path: table.to_csv(path, index=False))
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
    site.build(results_of, target, repository)
    typer.echo(f"open {target / 'index.html'}")


def main() -> None:
    """The command line, with one line for every error that is not a defect of this package."""
    try:
        app()
    except EXPECTED as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
