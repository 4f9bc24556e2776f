"""Command line: python -m ffcl_utils --help names the commands.

A command imports what it needs itself: torch, papermill and nbconvert take seconds, and the
workflow starts a command for every job.
"""

import os
import sys
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Annotated

import typer

from ffcl_utils.errors import UserError
from ffcl_utils.paths import RESULTS, ROOT

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
RUNS, OVERVIEW = ROOT / "runs", Path("00_overview", "executed.ipynb")
Preset = Annotated[str, typer.Option(help="smoke, short or paper")]
Parameters = Annotated[
    list[str], typer.Option("-p", "--parameter", help="name=value, as often as needed")
]
Studies = Annotated[bool, typer.Option(help="also all that make reproduce leaves out")]
Cores = Annotated[str, typer.Option(help="how many jobs at once; all: as many as cores")]
Profile = Annotated[str, typer.Option(help="of Snakemake, for a cluster: profiles/slurm")]
Runs = Annotated[Path, typer.Option(help="folder of all presets' results")]


@app.command("data")
def fetch_data() -> None:
    """Fetch and verify MNIST and Fashion-MNIST."""
    from ffcl_utils.data.files import FULL, fetch, raw_folder

    for name in FULL:
        fetch(name)
        typer.echo(f"{name}: complete and verified in {raw_folder(name)}", err=True)


@app.command()
def reproduce(
    preset: Preset = "short",
    studies: Studies = False,
    cores: Cores = "all",
    profile: Profile = "",
    runs: Runs = RUNS,
) -> None:
    """Bring a preset's results up to date and print the verdicts on claims."""
    from ffcl_utils.workflow.process import MAKE, die_with_parent
    from ffcl_utils.workflow.schedule import check_cores, new_plan_file, run_plan

    die_with_parent(MAKE)
    check_cores(cores)
    embedded = _embedded(preset, studies)
    with new_plan_file(runs / preset) as file:
        status = run_plan(_plan(preset, studies, embedded, runs, file), file, cores, profile)
    if status:
        typer.echo("not all jobs succeeded: some of the results below may be older ones", err=True)
    claims(runs / preset)
    overview = runs / preset / OVERVIEW
    if overview.is_file():
        typer.echo(f"the results, as notebooks to read: {overview}")
    raise typer.Exit(status)


@app.command()
def plan(preset: Preset = "short", studies: Studies = False, runs: Runs = RUNS) -> None:
    """Say what `reproduce` would do, and write it as a plan that Snakemake can run."""
    from ffcl_utils.workflow.schedule import new_plan_file

    embedded = _embedded(preset, studies)
    with new_plan_file(runs / preset) as file:
        planned = _plan(preset, studies, embedded, runs, file)
        planned.write(file)
    for name in planned.jobs:
        typer.echo(name)
    typer.echo(planned.summary())
    typer.echo(f"the plan: {file}")


@app.command()
def study(file: Path, cores: Cores = "all", profile: Profile = "", runs: Runs = RUNS) -> None:
    """Run a study, settings x seeds as its file says, into one table and a figure."""
    from ffcl_utils.workflow.process import MAKE, die_with_parent
    from ffcl_utils.workflow.schedule import check_cores, new_plan_file, run_plan
    from ffcl_utils.workflow.sweep import plan_study, read_study, write_summary

    die_with_parent(MAKE)
    check_cores(cores)
    if not file.is_file():
        raise UserError(f"there is no study {file}: make study STUDY=studies/<name>.yaml")
    described = read_study(file)
    folder = runs / "studies" / file.stem
    with new_plan_file(folder) as plan_file:
        planned = plan_study(described, folder, plan_file)
        status = run_plan(planned, plan_file, cores, profile)
    if status:
        raise typer.Exit(status)
    typer.echo(f"the table: {write_summary(described, folder / 'jobs', folder, file.stem)}")


@app.command()
def train(
    name: Annotated[str, typer.Argument(help="a run, or with --job a training of a plan")],
    preset: Preset = "short",
    parameter: Parameters = [],  # noqa: B006 - typer copies it
    job: Annotated[Path | None, typer.Option(help="plan: one of its trainings, here")] = None,
) -> None:
    """Train what a run needs and the store lacks."""
    if job:
        from ffcl_utils.workflow.process import die_with_parent

        die_with_parent()  # before torch, which takes seconds to import
    from ffcl_utils.workflow.trainings import train_job, train_run

    typer.echo(train_job(job, name) if job else train_run(name, preset, parameter))


@app.command()
def run(
    notebook: Annotated[str, typer.Argument(help="the path of a notebook, or a run's name")],
    output: Annotated[Path | None, typer.Argument(help="default: runs/<preset>/<run>")] = None,
    preset: Annotated[str, typer.Option(help="smoke, short or paper, for a run's name")] = "short",
    parameter: Parameters = [],  # noqa: B006 - typer copies it
    logs: Annotated[Path | None, typer.Option(help="where a failed copy is kept")] = None,
    minutes: Annotated[
        int | None, typer.Option(min=1, help="the most that one cell may take; default: no end")
    ] = None,
) -> None:
    """Execute a notebook into a folder, whole or not at all."""
    from ffcl_utils.workflow.asked import place_of, run_with, values_of
    from ffcl_utils.workflow.parameters import check_parameters
    from ffcl_utils.workflow.process import die_with_parent

    die_with_parent()
    if notebook.endswith(".ipynb"):
        path, values = Path(notebook), values_of(parameter)
        if not path.is_file():
            raise FileNotFoundError(f"no notebook {path}")
        if output is None:
            raise UserError("name the folder that the results go to, after the notebook")
    else:
        entry, values = run_with(notebook, preset, parameter)
        path = entry.path
        if output is None:
            output = place_of(entry, preset, values, RUNS)
            if entry.part == "overview":  # of the results beside it
                values["results"] = str(output.parent)
    check_parameters(path, values)  # before papermill, which takes seconds to import
    from ffcl_utils.workflow.runner import run_notebook

    run_notebook(path, output, values, logs, minutes)


@app.command()
def claims(
    folder: Path,
    write: Annotated[Path | None, typer.Option(help="also write the rows as JSON")] = None,
    publish: Annotated[
        bool,
        typer.Option("--publish", help="also put the tables into README.md and docs/"),
    ] = False,
    quiet: Annotated[bool, typer.Option(help="print nothing")] = False,
) -> None:
    """Print the verdict on every claim from the results in a preset's folder."""
    from ffcl_utils.claims import assess, tables
    from ffcl_utils.claims.texts import texts
    from ffcl_utils.files import write_json

    if publish and not _is_reference(folder):
        raise UserError(f"README and docs show results/short and results/paper, not {folder}")
    rows = assess.assess(folder)
    if write:
        write_json(write, rows)
    if publish:
        tables.publish(texts(folder), ROOT)
    if not quiet:
        typer.echo(tables.plain_table(rows))
        for warning in tables.warnings(rows):
            typer.echo(f"\nWARNING: {warning}")
    if any(row["verdict"] == assess.NO_RESULT for row in rows):
        raise typer.Exit(1)


@app.command()
def verify(ours: Path, reference: Path) -> None:
    """Compare two runs metric by metric; exit with 1 where they disagree."""
    from ffcl_utils.records.verify import compare_runs

    table = compare_runs(ours, reference)
    typer.echo(table.to_string(index=False, float_format="{:.6g}".format))
    bad = (~table.agrees).sum()
    typer.echo(f"\n{len(table) - bad} of {len(table)} metrics agree")
    if bad:
        raise typer.Exit(1)


@app.command()
def promote(
    run: Path,
    reference: Path,
    only: Annotated[
        list[str], typer.Option(help="the result of this run alone, as often as needed")
    ] = [],  # noqa: B006 - typer copies it
) -> None:
    """Make a finished run the reference: copy it, and put its claims into the README."""
    from ffcl_utils.records import promote as promotion

    promotion.promote(run, reference, only)
    if only:
        from ffcl_utils.workflow.parameters import as_given
        from ffcl_utils.workflow.reword import reword as reword_links
        from ffcl_utils.workflow.runner import run_notebook
        from ffcl_utils.workflow.runs import of_parts

        for entry in of_parts("overview"):
            run_notebook(entry.path, reference / entry.name, {"results": as_given(reference)})
        reword_links(reference)  # of results that are not there
    # Of results that come one by one, some claims have none yet.
    with suppress(typer.Exit) if only else nullcontext():
        claims(reference, write=reference / "claims.json", publish=_is_reference(reference))


@app.command()
def reword(reference: Path) -> None:
    """Bring the text of committed results up to their notebooks, where the code is the same."""
    from ffcl_utils.workflow.reword import reword as reworded_in

    reworded, other_code = reworded_in(reference)
    typer.echo(f"new text: {', '.join(reworded) or 'none'}")
    if other_code:
        typer.echo(f"their code has changed, run them again: {', '.join(other_code)}")


@app.command("rules")
def list_rules() -> None:
    """Name every learning rule."""
    from ffcl_utils import rules

    for name in rules.names():
        typer.echo(f"{name:20} {rules.rule(name).title}")


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


def _is_reference(folder: Path) -> bool:
    """Whether README and docs show what is in this folder."""
    return folder.resolve() in {RESULTS / "short", RESULTS / "paper"}


def _embedded(preset: str, studies: bool) -> set[str]:
    from ffcl_utils.config import check_preset
    from ffcl_utils.workflow.schedule import datasets_embedded

    check_preset(preset)
    return datasets_embedded(preset, studies)


def _plan(preset: str, studies: bool, embedded: set[str], runs: Path, file: Path):
    from ffcl_utils.workflow.plan import plan  # torch takes seconds to import

    return plan(preset, studies, embedded, runs / preset, file)


def main() -> None:
    """The command line, with one line for every error that is not a defect of this package."""
    for name in ("FFCL_DATA_DIR", "FFCL_STORE"):  # jobs and kernels work in other folders
        if os.environ.get(name):
            os.environ[name] = str(Path(os.environ[name]).absolute())
    try:
        app()
    except (UserError, OSError) as error:  # OSError: a file that is not there, a full disk
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
