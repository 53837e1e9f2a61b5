"""A Slurm of one node with one pretend GPU, which lives exactly as long as a command.

By hand, as root: python tests/one_node_slurm.py NEW_FOLDER sinfo

It needs the Debian packages slurm-wlm and munge. Everything runs in namespaces of its own: the kernel ends each
daemon and each job with the first process, whatever that one died of, and /etc/slurm is covered, not written to.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

NAMESPACES = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
DAEMONS = ["munged", "slurmctld", "slurmd"]
JOBS = "jobs.txt"
"""The file in the folder that lists all jobs when the command has ended, one a line, as Slurm remembers them."""

# No accounting, no cgroups, no limits: what a queue needs and no more. A daemon here obeys root, so none listens on
# other addresses than this machine's own. The GPU is a file; jobs that ask for it get it one at a time.
SLURM_CONF = """\
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=root
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
MinJobAge=86400
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory=64000 Gres=gpu:1
PartitionName=all Nodes=ALL Default=YES
"""
GRES_CONF = "Name=gpu File=/dev/null\n"


def missing() -> str:
    """What keeps a Slurm from running here, or nothing."""
    absent = [name for name in [*DAEMONS, "unshare"] if not shutil.which(name)]
    if absent:
        return f"no {', '.join(absent)} (Debian: apt-get install --no-install-recommends slurm-wlm munge)"
    allowed = subprocess.run([*NAMESPACES, "true"], capture_output=True, check=False).returncode == 0
    return "" if allowed else "only root may give Slurm namespaces of its own"


def within(folder: Path, command: list[str]) -> list[str]:
    """The command line that runs a command with a Slurm around it, whose files go to a new folder."""
    return [*NAMESPACES, sys.executable, __file__, str(folder), *command]


def main(folder: Path, command: list[str]) -> int:
    for name in ("etc", "state", "spool"):
        (folder / name).mkdir(parents=True)
    host = socket.gethostname().partition(".")[0]
    settings = SLURM_CONF.format(folder=folder, host=host, ports=free_ports(2), cores=os.cpu_count())
    (folder / "etc" / "slurm.conf").write_text(settings)
    (folder / "etc" / "gres.conf").write_text(GRES_CONF)
    # Job steps look for their settings in this folder and nowhere else.
    subprocess.run(["mount", "--bind", folder / "etc", "/etc/slurm"], check=True)
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(128))
    files = [f"--{kind}-file={folder}/munge.{kind}" for kind in ("key", "pid", "seed", "log")]
    # Forced, because it wants a folder that all users see; here is only one.
    start(folder, ["munged", "--foreground", "--force", f"--socket={folder}/munge.socket", *files])
    wait_for(folder, ["munge", "--no-input", f"--socket={folder}/munge.socket"], "MUNGE")
    start(folder, ["slurmctld", "-D"])
    start(folder, ["slurmd", "-D"])
    wait_for(folder, ["sinfo", "--noheader", "--format=%T"], "idle")
    code = subprocess.run(command, check=False).returncode
    with (folder / JOBS).open("w") as file:
        subprocess.run(["scontrol", "--oneliner", "show", "jobs"], stdout=file, check=True)
    return code


def start(folder: Path, command: list[str]) -> None:
    with (folder / f"{command[0]}.txt").open("w") as said:
        subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)


def wait_for(folder: Path, command: list[str], answer: str) -> None:
    for _ in range(150):
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        if answer in said:
            return
        time.sleep(0.2)
    for path in sorted(folder.glob("*.txt")):
        print(f"{path.name}:\n{path.read_text()}", file=sys.stderr)
    raise SystemExit(f"{' '.join(command)} did not answer {answer!r}, but {said!r}.")


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute(), sys.argv[2:]))
