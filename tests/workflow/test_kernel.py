"""A private kernel leaves nothing behind when it ends."""

import asyncio
from pathlib import Path

from ffcl_utils.workflow.kernel import PrivateKernelManager


def test_the_folder_of_its_sockets_goes_with_the_kernel():
    """At once, not when the garbage collector comes by."""

    async def folders() -> list[bool]:
        manager = PrivateKernelManager()
        await manager.start_kernel()
        folder = Path(manager.ip).parent
        seen = [folder.is_dir()]
        await manager.restart_kernel(now=True)
        seen.append(folder.is_dir())
        await manager.shutdown_kernel(now=True)
        return [*seen, folder.exists()]

    assert asyncio.run(folders()) == [True, True, False]
