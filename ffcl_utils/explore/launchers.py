"""Addresses that open a notebook of a public copy of the repository in Binder or in Colab.

Made for whichever copy is asked for, as the project itself has no public address; by form alone:
neither service has been tried with it.
"""

import re
from urllib.parse import quote

from ffcl_utils.config import ConfigError


def binder_address(repository: str, notebook: str) -> str:
    """JupyterLab on Binder, built from environment.yml. repository: "owner/name" on GitHub.

    notebook: its name without the ending. Raises ConfigError for another form of repository.
    """
    path = quote(f"lab/tree/notebooks/{notebook}.ipynb", safe="")
    return f"https://mybinder.org/v2/gh/{_checked(repository)}/HEAD?urlpath={path}"


def colab_address(repository: str, notebook: str) -> str:
    """The notebook in Colab, where its first cell installs what is missing; arguments as above."""
    path = f"{_checked(repository)}/blob/main/notebooks/{notebook}.ipynb"
    return f"https://colab.research.google.com/github/{path}"


def _checked(repository: str) -> str:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise ConfigError(f"repository {repository!r}: owner/name of a repository on GitHub")
    return repository
