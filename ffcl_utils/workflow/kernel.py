"""The kernel of a notebook that the workflow runs: private, of this Python, and of one thread."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec
from traitlets import default

from ffcl_utils.workflow.process import ONE_THREAD

LONGEST = 60


class PrivateKernelManager(AsyncKernelManager):
    """Speaks to its kernel through socket files that no other user can read, not through TCP.

    The kernel is of the Python that runs this, whatever is installed as `python3` elsewhere.
    """

    _sockets: tempfile.TemporaryDirectory | None = None

    @property
    def kernel_spec(self) -> KernelSpec:
        """How the kernel is started."""
        return KernelSpec(
            argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            display_name="Python 3",
            language="python",
        )

    async def start_kernel(self, **options) -> None:
        """Start the kernel with one thread for every library.

        What cells write to stderr comes with their outputs; the kernel's own lines, twenty of them
        where it is interrupted, are dropped.
        """
        options.setdefault("stderr", subprocess.DEVNULL)
        environment = options.pop("env", None) or os.environ
        await super().start_kernel(env={**environment, **ONE_THREAD}, **options)

    async def _async_cleanup_resources(self, restart: bool = False) -> None:
        """As jupyter_client has it; the folder of the socket files goes with a kernel that ends."""
        await super()._async_cleanup_resources(restart)
        if self._sockets and not restart:
            self._sockets.cleanup()

    cleanup_resources = _async_cleanup_resources

    @default("transport")
    def _transport_default(self) -> str:
        return "ipc"

    @default("ip")
    def _ip_default(self) -> str:
        # Of this machine alone: the home folder may be shared by the nodes of a cluster. The
        # system takes no more than about 100 letters as the name of a socket.
        folder = "/tmp" if len(tempfile.gettempdir()) > LONGEST else None
        self._sockets = tempfile.TemporaryDirectory(prefix="ffcl-", dir=folder)
        return str(Path(self._sockets.name) / "kernel")
