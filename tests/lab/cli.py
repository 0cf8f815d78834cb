"""The command line: verbs, their options and what they print."""

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

from . import caches, hosts, images, setup, state, supervisor
from .errors import LabError
from .settings import DISTS, ENVIRONMENT, GUEST_IMAGES, Settings
from .system import FileLock

# These only read what everybody may read.
WITHOUT_ROOT = ("list", "ssh")
# Beside the lab's own variables, what decides how pip reaches its index.
KEPT_BY_SUDO = (
    *ENVIRONMENT,
    "PIP_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "PIP_DEFAULT_TIMEOUT",
    "PIP_TIMEOUT",
    "PIP_CONFIG_FILE",
)


def parser() -> argparse.ArgumentParser:
    """Return the parser of all verbs."""
    top = argparse.ArgumentParser(prog="lab", description="Throw-away Debian hosts with real systemd and SSH.")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def add(verb: str, text: str, names: str | None = None) -> argparse.ArgumentParser:
        sub = verbs.add_parser(verb, help=text, description=text)
        if names == "1":
            sub.add_argument("name", metavar="NAME")
        elif names:
            sub.add_argument("names", nargs=names, metavar="NAME")
        return sub

    setup = add("setup", "install the Debian packages the lab needs, if some are missing")
    setup.add_argument("--browser", action="store_true", help="and those of tests that look at pages")
    up = add("up", "bring hosts up and wait until they are ready; those that run already are left alone", "+")
    up.add_argument("--dist", choices=DISTS, default=DISTS[0], help="Debian release (default: %(default)s)")
    up.add_argument("--owner", type=int, metavar="PID", help="take the hosts down when this process ends")
    up.add_argument("--address", type=int, metavar="N", help="host part of the first host's address; others follow")
    up.add_argument(
        "--storage",
        choices=("auto", "tmpfs", "disk"),
        default="auto",
        help="where hosts write (default: memory if there is plenty, otherwise disk)",
    )
    up.add_argument(
        "--bind-ro",
        action="append",
        default=[],
        metavar="SOURCE:TARGET",
        help="show a directory of the controller in the hosts, read-only; may be repeated",
    )
    up.add_argument("--images", action="store_true", help="show the container images of images/ in the hosts; built when missing")
    down = add("down", "throw hosts away", "*")
    down.add_argument("--all", action="store_true", help="all hosts")
    listing = add("list", "show the hosts")
    ssh = add("ssh", "log in to a host, or run a command there, as its user `debian`", "1")
    ssh.add_argument("command", nargs=argparse.REMAINDER)
    enter = add("exec", "run a command as root in a host, past SSH", "1")
    enter.add_argument("command", nargs=argparse.REMAINDER)
    add("images", "build the container images of images/ if they are missing, and say where they are")
    add("kill", "cut a host's power; its disk stays", "1")
    boot = add("boot", "switch a host on again that was killed", "1")
    reboot = add("reboot", "reboot a host in an orderly way", "1")
    add("harvest", "take what running hosts downloaded into the caches now instead of when they go", "+")
    cache = add("cache", "show how big the caches are")
    cache.add_argument("--clear", action="store_true", help="empty them")
    for sub in (up, listing, boot, reboot):
        sub.add_argument("--json", action="store_true", help="print JSON")
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; return the exit status: 0, 1 when it failed, 2 for wrong usage, else that of the command run."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        settings = Settings.from_environment()
        if arguments[:1] == ["supervise"]:
            return supervisor.main(settings, arguments[1:])
        options = parser().parse_args(arguments)
        if os.geteuid() != 0:
            if options.verb not in WITHOUT_ROOT:
                if shutil.which("sudo") is None:
                    raise LabError(f"`{options.verb}` needs root, and there is no sudo")
                command = sudo_command(arguments, os.environ)
                os.execvp(command[0], command)
        else:
            os.umask(0o022)
            if settings.run.is_dir() and options.verb != "ssh":
                with FileLock(settings.lock):
                    state.reap(settings)
        return VERBS[options.verb](settings, options)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def sudo_command(arguments: list[str], environment) -> list[str]:
    """Return the command that runs the same verb as root, with no more of the environment than it needs."""
    kept = [f"{key}={environment[key]}" for key in KEPT_BY_SUDO if key in environment]
    return ["sudo", "env", *kept, sys.executable, str(Path(__file__).with_name("__main__.py")), *arguments]


def show(reports: list[dict], as_json: bool) -> None:
    """Print reports of hosts, as {"hosts": [...]} or as one line each."""
    if as_json:
        print(json.dumps({"hosts": reports}, indent=1))
        return
    for report in reports:
        condition = report.get("system", report["status"])
        line = f"{report['name']:<16} {report['address']:<15} {report['dist']:<9} {condition:<9}"
        if "seconds" in report:
            line += f" {report['seconds']:6.2f} s"
        if report.get("failed_units"):
            line += f"  failed: {' '.join(report['failed_units'])}"
        print(line.rstrip())


def _setup(_settings: Settings, options) -> int:
    installed = setup.install(options.browser)
    print(f"installed {', '.join(installed)}" if installed else "nothing to install")
    return 0


def _up(settings: Settings, options) -> int:
    setup.require()
    binds = [*options.bind_ro, *([f"{images.ensure(settings)}:{GUEST_IMAGES}"] if options.images else [])]
    reports = hosts.up(
        settings,
        options.names,
        dist=options.dist,
        owner=options.owner,
        number=options.address,
        storage=options.storage,
        binds=binds,
    )
    show(reports, options.json)
    if not options.json:
        print(f"log in with: ssh -F {settings.ssh_config} {reports[0]['name']}", file=sys.stderr)
    return 0


def _down(settings: Settings, options) -> int:
    if not options.all and not options.names:
        raise LabError("down: say which hosts, or --all")
    names = [found["name"] for found in state.all_states(settings)] if options.all else options.names
    for name in hosts.down(settings, names):
        print(f"{name} is gone")
    return 0


def _list(settings: Settings, options) -> int:
    show([hosts.public(settings, found) for found in state.all_states(settings)], options.json)
    return 0


def _ssh(settings: Settings, options) -> int:
    hosts.require(settings, options.name)
    command = [*hosts.ssh_command(settings, options.name), *without_dashes(options.command)]
    os.execvp(command[0], command)


def _exec(settings: Settings, options) -> int:
    return hosts.enter(settings, options.name, without_dashes(options.command) or ["bash", "-l"])


def without_dashes(command: list[str]) -> list[str]:
    """Return the command without the `--` that set it off from our own options."""
    return command[1:] if command[:1] == ["--"] else command


def _images(settings: Settings, _options) -> int:
    setup.require()
    print(images.ensure(settings))
    return 0


def _kill(settings: Settings, options) -> int:
    hosts.kill(settings, options.name)
    return 0


def _boot(settings: Settings, options) -> int:
    show([hosts.boot(settings, options.name)], options.json)
    return 0


def _reboot(settings: Settings, options) -> int:
    show([hosts.reboot(settings, options.name)], options.json)
    return 0


def _harvest(settings: Settings, options) -> int:
    for name in options.names:
        print(f"{name}: {hosts.harvest(settings, name)} files taken over")
    return 0


def _cache(settings: Settings, options) -> int:
    if options.clear:
        with FileLock(settings.lock):
            caches.clear(settings)
    for part, size in caches.sizes(settings).items():
        print(f"{part:<8} {size / 2**20:8.1f} MiB")
    return 0


VERBS = {
    "setup": _setup,
    "up": _up,
    "down": _down,
    "list": _list,
    "ssh": _ssh,
    "exec": _exec,
    "images": _images,
    "kill": _kill,
    "boot": _boot,
    "reboot": _reboot,
    "harvest": _harvest,
    "cache": _cache,
}
