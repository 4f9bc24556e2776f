"""A real Slurm of one node on this machine, for the test of the workflow on a cluster.

By hand: .venv/bin/python -m tests.workflow.slurm make reproduce PRESET=smoke PROFILE=the_profile
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from ffcl_utils.paths import ROOT

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel")
CONFIGURATION = """
ClusterName=ffcl
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
MinJobAge=600
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=16000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=2
PartitionName=patient Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=1
"""


def missing() -> str:
    """Why Slurm cannot be started here; "" where it can."""
    if any(letter.isspace() for letter in sys.executable):
        return f"Snakemake's executor for Slurm leaves {sys.executable} unquoted"
    lacking = [name for name in PROGRAMS if not shutil.which(name, path=_path())]
    if lacking:
        return f"needs Slurm (Debian: apt install slurm-wlm munge): no {', '.join(lacking)}"
    return "" if os.geteuid() == 0 else "needs root, to start Slurm's daemons"


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"


def profile(folder: Path, partition: str = "main") -> str:
    """Our profile for a Slurm that keeps no accounts, and whose jobs are short.

    partition: "patient" for jobs that wait until none of "main" does.
    """
    text = (ROOT / "profiles" / "slurm" / "config.yaml").read_text()
    (folder / "profile").mkdir()
    more = "slurm-status-command: squeue\nslurm-init-seconds-before-status-checks: 2\n"
    more += f"default-resources:\n  slurm_partition: {partition}\n"
    (folder / "profile" / "config.yaml").write_text(f"{text}\n{more}")
    return str(folder / "profile")


@contextmanager
def cluster(folder: Path):
    """munged, slurmctld and slurmd, all files in `folder`; gives the environment to use them in."""
    host = socket.gethostname().split(".")[0]
    for name in ("state", "spool"):
        (folder / name).mkdir()
    folder.chmod(0o755)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    configuration = CONFIGURATION.format(
        host=host, folder=folder, ports=_free_ports(2), cpus=os.cpu_count()
    )
    (folder / "slurm.conf").write_text(configuration)
    # Snakemake's executor hands no SLURM_… on to its jobs: the srun in them needs to be told again.
    wrapper = folder / "bin" / "srun"
    wrapper.parent.mkdir()
    real = shutil.which("srun", path=_path())
    wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {real} "$@"\n')
    wrapper.chmod(0o755)
    quick = [str(Path(__file__).with_name("quick")), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, quick)),
        "SLURM_CONF": str(folder / "slurm.conf"),
        "PATH": f"{wrapper.parent}:{_path()}",
    }
    commands = (
        ["munged", "--foreground", "--force", f"--key-file={key}",
         f"--socket={folder}/munge.socket", f"--pid-file={folder}/munged.pid",
         f"--log-file={folder}/munged.log", f"--seed-file={folder}/munged.seed"],
        ["slurmctld", "-D", "-c"],
        ["slurmd", "-D", "-c"],
    )  # fmt: skip
    daemons = []
    try:
        for command in commands:
            log = (folder / f"{command[0]}.out").open("w")
            daemons.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
            time.sleep(1)
        _wait_until_idle(environment, folder)
        yield environment
    finally:
        subprocess.run(["scancel", "--user=root"], env=environment, check=False)
        time.sleep(1)
        for daemon in reversed(daemons):
            daemon.terminate()
            try:
                daemon.wait(15)
            except subprocess.TimeoutExpired:
                daemon.kill()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def _wait_until_idle(environment: dict[str, str], folder: Path, seconds: float = 40) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        shown = subprocess.run(
            ["sinfo", "--noheader", "--format=%T"],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if set(shown.stdout.split()) == {"idle"}:
            return
        time.sleep(0.5)
    logs = "\n".join(path.read_text()[-2000:] for path in sorted(folder.glob("*.log")))
    raise RuntimeError(f"Slurm did not start: {shown.stdout}{shown.stderr}\n{logs}")


def main() -> None:
    """Run a command on a cluster that lives as long as it; "the_profile" in it is its profile."""
    with tempfile.TemporaryDirectory() as folder, cluster(Path(folder)) as environment:
        ours = profile(Path(folder))
        command = [word.replace("the_profile", ours) for word in sys.argv[1:]]
        status = subprocess.run(command, env=environment, check=False).returncode
    sys.exit(status)


if __name__ == "__main__":
    main()
