"""The kernel of a notebook that the workflow runs: private, and of one thread."""

import os
import tempfile
from pathlib import Path

from jupyter_client import AsyncKernelManager
from traitlets import default

from ffcl_utils.workflow.process import ONE_THREAD


class PrivateKernelManager(AsyncKernelManager):
    """Speaks to its kernel through socket files that no other user can read, not through TCP."""

    async def start_kernel(self, **options) -> None:
        """Start the kernel with one thread for every library."""
        environment = options.pop("env", None) or os.environ
        await super().start_kernel(env={**environment, **ONE_THREAD}, **options)

    @default("transport")
    def _transport_default(self) -> str:
        return "ipc"

    @default("ip")
    def _ip_default(self) -> str:
        # Of this machine alone: the home folder may be shared by the nodes of a cluster.
        self._sockets = tempfile.TemporaryDirectory(prefix="ffcl-")
        return str(Path(self._sockets.name) / "kernel")
