#!/usr/bin/python
"""Bring a set of files, directories and links into a stated condition in one step."""

from __future__ import annotations

DOCUMENTATION = r"""
module: config_tree
short_description: Bring files, directories and links into a stated condition in one step
description:
  - A converge over SSH pays for steps, not for files. This module takes a whole tree of
    rendered files at once; the action plugin of the same name renders the templates.
  - New content is validated before it replaces the old. A validator for the whole tree runs
    after everything is in place. Whatever is refused, by a validator or because something else is
    in the way, everything that this call has changed is as it was before.
options:
  directories:
    description: Each with C(path) and optionally C(mode), C(owner), C(group).
    type: list
    elements: dict
    default: []
  files:
    description:
      - Each with C(path), one of C(template) (relative to the role's templates directory),
        C(content) and C(base64) (content that is not text), and optionally C(vars) for the template, C(mode), C(owner), C(group),
        C(validate) (a command in which C(%s) is the candidate file), C(validate_tolerates) (a
        regular expression; a validator that prints nothing but matching lines has passed), and
        C(secret) (keep the content out of the diff).
    type: list
    elements: dict
    default: []
  below:
    description: Directory to which relative paths of C(files) belong.
    type: path
  links:
    description: Each with C(path) and C(target).
    type: list
    elements: dict
    default: []
  absent:
    description: Absolute paths of files or links (never directories) that must not exist.
    type: list
    elements: path
    default: []
  purge:
    description: Directories in which every file that C(files) does not name is removed; their directories stay.
    type: list
    elements: path
    default: []
  validate:
    description: Command that must succeed with the whole tree in place.
    type: str
  owner:
    description: Default owner.
    type: str
    default: root
  group:
    description: Default group.
    type: str
    default: root
  mode:
    description: Default mode of files.
    type: str
    default: "0644"
"""

EXAMPLES = r"""
- name: Configure both instances
  config_tree:
    group: redis
    mode: "0640"
    directories:
      - {path: /var/lib/redis/queue, owner: redis, group: redis, mode: "0750"}
    files:
      - {path: /etc/redis/redis-queue.conf, template: etc/redis/redis.conf.j2, secret: true}
"""

RETURN = r"""
paths:
  description: What was changed, or in check mode would be.
  type: list
  elements: str
  returned: always
"""

import base64
import contextlib
import grp
import os
import pwd
import re
import shutil
import tempfile
import traceback

from ansible.module_utils.basic import AnsibleModule


class QuietModule(AnsibleModule):
    """A module that does not write its arguments, which carry secrets, to the host's journal."""

    def _log_invocation(self) -> None:
        self.log("config_tree: " + ", ".join(entry.get("path", "") for entry in self.params["files"]))


class Refused(Exception):
    """Something cannot be done or was found wrong; nothing of this tree stays changed."""


class Tree:
    """The wanted tree, applied entry by entry with a way back."""

    def __init__(self, module: AnsibleModule):
        self.module = module
        self.check = module.check_mode
        self.changed: list[str] = []
        self.diffs: list[dict] = []
        # What was at each path before its first change, in the order of change, for the way back: nothing, a link's
        # target, a directory's attributes, a file's content and attributes.
        self.former: dict[str, None | str | os.stat_result | tuple[bytes, os.stat_result]] = {}
        # Words of secret files; no message may quote them.
        self.secrets: set[str] = set()

    def attributes(self, path: str, entry: dict, mode: str) -> None:
        """Set owner, group and mode; in check mode accounts that do not exist yet are a change."""
        wanted = {
            "owner": entry.get("owner") or self.module.params["owner"],
            "group": entry.get("group") or self.module.params["group"],
            "mode": entry.get("mode") or mode,
        }
        for lookup, kind in ((pwd.getpwnam, "owner"), (grp.getgrnam, "group")):
            if not wanted[kind].isdigit() and not known(lookup, wanted[kind]):
                if not self.check:
                    raise Refused(f"{path}: there is no {kind} {wanted[kind]} on this host")
                self.note(path)
                return
        self.remember(path)
        arguments = self.module.load_file_common_arguments({**self.module.params, **wanted, "path": path})
        if self.module.set_fs_attributes_if_different(arguments, False):
            self.note(path)

    def note(self, path: str) -> None:
        if path not in self.changed:
            self.changed.append(path)

    def directory(self, path: str, entry: dict) -> None:
        if not os.path.isdir(path):
            if os.path.lexists(path):
                raise Refused(f"{path} must be a directory and is something else; move it away first")
            self.note(path)
            if self.check:
                return
            self.make_directory(path, 0o700)
        self.attributes(path, entry, "0755")

    def make_directory(self, path: str, mode: int = 0o755) -> None:
        """Make a directory and its parents; remembered from the top, so that on the way back they go from the bottom."""
        missing, above = [], path
        while not os.path.lexists(above):
            missing.append(above)
            above = os.path.dirname(above)
        if not os.path.isdir(above):
            raise Refused(f"{above} must be a directory and is something else; move it away first")
        for directory in reversed(missing):
            self.remember(directory)
        os.makedirs(path, mode=mode, exist_ok=True)

    def file(self, path: str, entry: dict) -> None:
        wanted = base64.b64decode(entry["base64"]) if "base64" in entry else entry["content"].encode()
        if entry.get("secret"):
            self.secrets |= words(wanted.decode(errors="replace"))
        former = read(path)
        if former != wanted:
            self.note(path)
            self.diff(path, former, wanted, bool(entry.get("secret")))
            if self.check:
                return
            self.replace(path, wanted, entry)
        if os.path.lexists(path):
            self.attributes(path, entry, self.module.params["mode"])

    def replace(self, path: str, wanted: bytes, entry: dict) -> None:
        """Validate under the file's own name (some validators look at the suffix), then move into place."""
        scratch = tempfile.mkdtemp(dir=self.module.tmpdir)
        candidate = os.path.join(scratch, os.path.basename(path))
        try:
            with open(candidate, "wb") as stream:
                stream.write(wanted)
            if entry.get("validate"):
                self.validate(entry["validate"] % candidate, path, entry.get("validate_tolerates"))
            self.make_directory(os.path.dirname(path))
            self.remember(path)
            if os.path.isfile(path) and not os.path.islink(path):
                # The new content inherits these.
                self.attributes(path, entry, self.module.params["mode"])
            # A new file is born closed: nobody reads a secret in the moment before its mode is set.
            umask = os.umask(0o077)
            try:
                self.module.atomic_move(candidate, path)
            finally:
                os.umask(umask)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def link(self, path: str, target: str) -> None:
        former = os.readlink(path) if os.path.islink(path) else None
        if former == target:
            return
        if former is None and os.path.lexists(path):
            raise Refused(f"{path} must be a link to {target} and is something else; move it away first")
        self.note(path)
        if self.check:
            return
        self.remember(path)
        relink(path, target)

    def strangers(self, directories: list[str]) -> list[str]:
        """Files in the directories that nobody asked for."""
        wanted = {entry["path"] for entry in self.module.params["files"]}
        paths = [entry.path for place in directories if os.path.isdir(place) for entry in os.scandir(place)]
        return sorted(path for path in paths if path not in wanted and (os.path.islink(path) or not os.path.isdir(path)))

    def remove(self, path: str) -> None:
        if not os.path.lexists(path):
            return
        if os.path.isdir(path) and not os.path.islink(path):
            raise Refused(f"{path} is a directory; this module removes files and links only")
        self.note(path)
        if self.check:
            return
        self.remember(path)
        os.unlink(path)

    def validate(self, command: str, what: str, tolerates: str | None = None) -> None:
        code, out, err = self.module.run_command(command)
        said = (out + err).strip()
        if tolerates and said and all(re.search(tolerates, line) for line in said.splitlines()):
            return
        if code != 0:
            lines = ["(quotes a secret file)" if self.secrets & words(line) else line for line in said.splitlines()]
            raise Refused(f"{what} was refused by '{command}' (exit code {code}): " + "\n".join(lines))

    def remember(self, path: str) -> None:
        if path in self.former:
            return
        if os.path.islink(path):
            self.former[path] = os.readlink(path)
        elif os.path.isdir(path):
            self.former[path] = os.stat(path)
        else:
            self.former[path] = (read(path), os.stat(path)) if os.path.exists(path) else None

    def restore(self) -> None:
        if self.check:
            return
        for path, former in reversed(self.former.items()):
            if former is None:
                discard(path)
            elif path not in self.changed:
                continue
            elif isinstance(former, str):
                relink(path, former)
            elif isinstance(former, os.stat_result):
                give(path, former)
            else:
                rewrite(path, *former)

    def diff(self, path: str, former: bytes | None, wanted: bytes, secret: bool) -> None:
        if secret:
            before, after = "", "(content is secret)\n"
        else:
            before, after = (former or b"").decode(errors="replace"), wanted.decode(errors="replace")
        self.diffs.append({"before_header": path, "after_header": path, "before": before, "after": after})


def known(lookup, name: str) -> bool:
    try:
        lookup(name)
    except KeyError:
        return False
    return True


def read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def words(text: str) -> set[str]:
    """What may be a secret in a configuration file: words of some length."""
    return {word for word in re.split(r"[\s\"'=:,;()<>]+", text) if len(word) >= 8}


def discard(path: str) -> None:
    """Remove what this module has made; a directory that is in use by now stays."""
    if os.path.isdir(path) and not os.path.islink(path):
        with contextlib.suppress(OSError):
            os.rmdir(path)
    elif os.path.lexists(path):
        os.unlink(path)


def rewrite(path: str, content: bytes, stat: os.stat_result) -> None:
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(path), delete=False) as stream:
        stream.write(content)
    give(stream.name, stat)
    # The former time too: services compare it with their start.
    os.utime(stream.name, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    os.rename(stream.name, path)


def give(path: str, stat: os.stat_result) -> None:
    """Owner, group and mode as they were."""
    os.chown(path, stat.st_uid, stat.st_gid)
    os.chmod(path, stat.st_mode & 0o7777)


def relink(path: str, target: str) -> None:
    """Point a link elsewhere without a moment in which it is missing."""
    fresh = f"{path}.new"
    if os.path.lexists(fresh):
        os.unlink(fresh)
    os.symlink(target, fresh)
    os.rename(fresh, path)


def main() -> None:
    # Directories made on the way, and what services read in them, must not depend on root's habits.
    os.umask(0o022)
    module = QuietModule(
        argument_spec={
            "directories": {"type": "list", "elements": "dict", "default": []},
            "files": {"type": "list", "elements": "dict", "default": []},
            "links": {"type": "list", "elements": "dict", "default": []},
            "absent": {"type": "list", "elements": "path", "default": []},
            "purge": {"type": "list", "elements": "path", "default": []},
            "validate": {"type": "str"},
            "owner": {"type": "str", "default": "root"},
            "group": {"type": "str", "default": "root"},
            "mode": {"type": "str", "default": "0644"},
        },
        supports_check_mode=True,
    )
    tree = Tree(module)
    try:
        for entry in module.params["directories"]:
            tree.directory(entry["path"], entry)
        for entry in module.params["files"]:
            tree.file(entry["path"], entry)
        for entry in module.params["links"]:
            tree.link(entry["path"], entry["target"])
        for path in module.params["absent"] + tree.strangers(module.params["purge"]):
            tree.remove(path)
        # Also where nothing changed: an earlier run may have been killed before it came to this.
        if module.params["validate"] and not tree.check:
            tree.validate(module.params["validate"], ", ".join(tree.changed) or "what is there")
    except Refused as refused:
        tree.restore()
        module.fail_json(msg=f"{refused}. Nothing of this tree was kept; the former files are in place.")
    except OSError as error:
        tree.restore()
        module.fail_json(msg=f"{error}. The former files are in place.", exception=traceback.format_exc())
    # A task with `diff: false` means it: what a module returns is shown by a run with --diff all the same.
    module.exit_json(changed=bool(tree.changed), paths=tree.changed, **({"diff": tree.diffs} if module._diff else {}))


if __name__ == "__main__":
    main()
