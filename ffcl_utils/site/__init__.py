"""The committed results as pages to read: sources for Sphinx (myst-nb, the PyData theme), and the
build. What the pages say of a claim is computed in `claims`; the hand-written ones are in docs/.
"""

from ffcl_utils.site.build import build

__all__ = ["build"]
