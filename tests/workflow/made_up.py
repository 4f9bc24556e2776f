"""Notebooks made up for the tests of the workflow."""

import nbformat

PARAMETERS = "preset = 'smoke'\nseeds = None\nepochs = None\nresults = ''\noutput_dir = ''"


def notebook(folder, *sources, parameters=PARAMETERS, name="made_up"):
    """A notebook with a parameters' cell and these cells of code; returns its path."""
    cells = [nbformat.v4.new_code_cell(parameters)]
    cells[0].metadata["tags"] = ["parameters"]
    cells += [nbformat.v4.new_code_cell(source) for source in sources]
    path = folder / f"{name}.ipynb"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path
