"""roles/base/library/config_tree.py: the part that works on the host, run as Ansible runs it."""

import base64
import grp
import os
import pwd
import stat

import pytest

from tests.unit.support import call, load

config_tree = load("roles/base/library/config_tree.py")
USER, GROUP = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
NOBODY = "aiko-nobody-has-this-name"
LONG_AGO = (1_000_000_000_123_456_789, 1_000_000_001_123_456_789)


@pytest.fixture
def apply(tmp_path):
    """Apply a tree below tmp_path; answers the module's result."""

    def run(check: bool = False, **arguments) -> dict:
        return call(config_tree, {"owner": USER, "group": GROUP, "_ansible_remote_tmp": str(tmp_path / ".ansible"), **arguments}, check)

    return run


def mode(path) -> str:
    return f"{stat.S_IMODE(path.lstat().st_mode):04o}"


def snapshot(root) -> dict:
    """Everything that can be seen of a tree: kinds, targets, contents, modes, times of files."""
    found = {}
    for path in sorted(root.rglob("*")):
        if ".ansible" in path.parts:
            continue
        state = path.lstat()
        if path.is_symlink():
            found[str(path)] = ("link", os.readlink(path))
        elif path.is_dir():
            found[str(path)] = ("directory", state.st_mode)
        else:
            found[str(path)] = ("file", path.read_bytes(), state.st_mode, state.st_mtime_ns)
    return found


def test_creates_what_is_asked_for(tmp_path, apply):
    """Files, directories and links come in one step, with the modes that were stated and defaults where none was."""
    result = apply(
        directories=[{"path": str(tmp_path / "etc"), "mode": "0750"}, {"path": str(tmp_path / "a/b")}],
        files=[
            {"path": str(tmp_path / "etc/text"), "content": "é\n"},
            {"path": str(tmp_path / "etc/key"), "content": "k", "mode": "0600", "secret": True},
            {"path": str(tmp_path / "etc/binary"), "base64": base64.b64encode(bytes(range(256))).decode(), "mode": "0755"},
            {"path": str(tmp_path / "not/there/yet"), "content": ""},
        ],
        links=[{"path": str(tmp_path / "current"), "target": "etc"}],
    )
    assert result["changed"]
    assert set(result["paths"]) == {str(tmp_path / name) for name in (
        "etc", "a/b", "etc/text", "etc/key", "etc/binary", "not/there/yet", "current")}
    assert (tmp_path / "etc/text").read_text() == "é\n"
    assert (tmp_path / "etc/binary").read_bytes() == bytes(range(256))
    assert (tmp_path / "not/there/yet").read_bytes() == b""
    assert os.readlink(tmp_path / "current") == "etc"
    made = ("etc", "a/b", "etc/text", "etc/key", "etc/binary")
    assert [mode(tmp_path / name) for name in made] == ["0750", "0755", "0644", "0600", "0755"]


def tree(root) -> dict:
    return {
        "directories": [{"path": str(root / "d"), "mode": "0700"}],
        "files": [{"path": str(root / "d/f"), "content": "one\n", "mode": "0640"}, {"path": str(root / "d/b"), "base64": "AAE="}],
        "links": [{"path": str(root / "l"), "target": "d/f"}],
        "absent": [str(root / "gone")],
    }


def test_a_second_time_changes_nothing(tmp_path, apply):
    """Services restart when a file's time changes: an unchanged one must keep its time."""
    (tmp_path / "gone").write_text("x")
    assert apply(**tree(tmp_path))["changed"]
    os.utime(tmp_path / "d/f", ns=LONG_AGO)
    before = snapshot(tmp_path)
    again = apply(**tree(tmp_path))
    assert (again["changed"], again["paths"], again["diff"]) == (False, [], [])
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(("damage", "path"), [
    (lambda root: (root / "d/f").write_text("two\n"), "d/f"),
    (lambda root: (root / "d/f").chmod(0o666), "d/f"),
    (lambda root: (root / "d").chmod(0o777), "d"),
    (lambda root: (root / "d/b").unlink(), "d/b"),
    (lambda root: ((root / "l").unlink(), (root / "l").symlink_to("elsewhere")), "l"),
    (lambda root: (root / "gone").symlink_to("dangling"), "gone"),
])
def test_repairs_what_somebody_changed(tmp_path, apply, damage, path):
    """Drift in content, in mode, in links: each is found, repaired, and reported as the one change."""
    apply(**tree(tmp_path))
    before = {name: entry[:3] for name, entry in snapshot(tmp_path).items()}
    damage(tmp_path)
    assert {name: entry[:3] for name, entry in snapshot(tmp_path).items()} != before
    assert apply(**tree(tmp_path))["paths"] == [str(tmp_path / path)]
    assert {name: entry[:3] for name, entry in snapshot(tmp_path).items()} == before


def test_check_mode_changes_nothing_and_says_what_would_change(tmp_path, apply):
    """`--check` is what operators trust before a deployment; it must name exactly what the real run then does."""
    apply(**tree(tmp_path))
    (tmp_path / "d/f").chmod(0o600)
    (tmp_path / "d/b").write_text("other")
    (tmp_path / "l").unlink()
    (tmp_path / "gone").write_text("x")
    before = snapshot(tmp_path)
    wanted = tree(tmp_path)
    wanted["directories"].append({"path": str(tmp_path / "new")})
    wanted["files"].append({"path": str(tmp_path / "new/file"), "content": "x"})
    told = apply(check=True, **wanted)
    assert snapshot(tmp_path) == before
    done = apply(**wanted)
    assert set(told["paths"]) == set(done["paths"]) == {str(tmp_path / name) for name in ("d/f", "d/b", "l", "gone", "new", "new/file")}
    assert told["changed"]


def test_check_mode_knows_accounts_that_a_run_would_create(tmp_path, apply):
    """On a bare host the packages that bring the accounts are not there yet: a change, not a failure."""
    (tmp_path / "d").mkdir()
    (tmp_path / "f").write_text("x")
    arguments = {"directories": [{"path": str(tmp_path / "d"), "owner": NOBODY}],
                 "files": [{"path": str(tmp_path / "f"), "content": "x", "group": NOBODY}]}
    result = apply(check=True, **arguments)
    assert result["paths"] == [str(tmp_path / "d"), str(tmp_path / "f")]


def test_an_account_that_does_not_exist_is_named_and_leaves_nothing(tmp_path, apply):
    """A key whose group is missing must not stay behind with whatever mode it was born with."""
    result = apply(files=[{"path": str(tmp_path / "other"), "content": "x"},
                          {"path": str(tmp_path / "key"), "content": "k", "mode": "0640", "group": NOBODY}])
    assert result["failed"]
    assert f"{tmp_path / 'key'}: there is no group {NOBODY} on this host" in result["msg"]
    assert snapshot(tmp_path) == {}


def test_new_content_is_never_readable_before_its_mode_is_set(tmp_path, apply, monkeypatch):
    """A local user could wait for that moment. Looked at in between, the file must be closed already."""
    seen = {}
    attributes = config_tree.Tree.attributes

    def looking(self, path, entry, default):
        if os.path.exists(path):
            seen.setdefault(os.path.basename(path), []).append(mode(tmp_path / os.path.basename(path)))
        return attributes(self, path, entry, default)

    monkeypatch.setattr(config_tree.Tree, "attributes", looking)
    former = os.umask(0o022)
    try:
        apply(files=[{"path": str(tmp_path / "key"), "content": "k", "mode": "0600", "secret": True}])
    finally:
        os.umask(former)
    assert seen == {"key": ["0600"]}


def test_diff_shows_contents_but_never_secret_ones(tmp_path, apply):
    """`--diff` goes to terminals and logs."""
    for name in ("open", "key"):
        (tmp_path / name).write_text("old-hunter2\n")
    for check in (True, False):
        diffs = {os.path.basename(diff["before_header"]): diff for diff in apply(check=check, files=[
            {"path": str(tmp_path / "open"), "content": "new\n"},
            {"path": str(tmp_path / "key"), "content": "new-hunter2\n", "secret": True},
        ])["diff"]}
        assert (diffs["open"]["before"], diffs["open"]["after"]) == ("old-hunter2\n", "new\n")
        assert "hunter2" not in str(diffs["key"])
        assert "secret" in diffs["key"]["after"]


def test_a_file_that_is_refused_leaves_the_old_one(tmp_path, apply):
    """The candidate is validated under its own name before it is anywhere near the service."""
    path = tmp_path / "app.conf"
    path.write_text("old")
    os.utime(path, ns=LONG_AGO)
    before = snapshot(tmp_path)
    result = apply(files=[{"path": str(path), "content": "new", "validate": "sh -c 'echo bad line in $0; basename $0; exit 3' %s"}])
    assert result["failed"]
    assert f"{path} was refused by" in result["msg"]
    assert "(exit code 3): bad line in" in result["msg"]
    assert "app.conf" in result["msg"].split("exit code 3")[1]
    assert "Nothing of this tree was kept; the former files are in place." in result["msg"]
    assert snapshot(tmp_path) == before


def test_a_file_that_passes_is_validated_once_and_only_when_new(tmp_path, apply):
    """Validators of databases take seconds; an unchanged file was validated when it came."""
    count = tmp_path / "count"
    entry = {"path": str(tmp_path / "f"), "content": "good", "validate": f"sh -c 'grep -q good %s && echo x >> {count}'"}
    assert apply(files=[entry])["changed"]
    assert not apply(files=[entry])["changed"]
    assert count.read_text() == "x\n"


def test_what_a_validator_may_grumble_about(tmp_path, apply):
    """systemd-analyze fails on other people's units; only lines that match are forgiven, and silence with a bad exit code is not."""
    def refused(script: str, tolerates: str) -> bool:
        entry = {"path": str(tmp_path / "f"), "content": script, "validate": f"sh -c '{script}; exit 1' %s",
                 "validate_tolerates": tolerates}
        return bool(apply(files=[entry]).get("failed"))

    assert not refused("echo other.service: Unknown key", "^other[.]service: ")
    assert refused("echo other.service: Unknown key; echo mine.service: bad", "^other[.]service: ")
    assert refused("true", "^other[.]service: ")


def test_a_validator_may_not_quote_a_secret_file(tmp_path, apply):
    """Redis prints the line that it does not understand; that line may be the password's."""
    entry = {"path": str(tmp_path / "redis.conf"), "content": "port 6379\nrequirepass hunter2hunter2 x\n", "secret": True,
             "validate": "sh -c 'echo at line 2; cat $0 >&2; echo Bad directive; exit 1' %s"}
    result = apply(files=[entry])
    assert result["failed"]
    assert "hunter2" not in str({**result, "invocation": None})
    assert "at line 2" in result["msg"]
    assert "Bad directive" in result["msg"]


def messy(root) -> None:
    """A tree with one of everything that a run may change."""
    (root / "d").mkdir(mode=0o750)
    for name, text, bits in (("changed", "old\n", 0o640), ("loose", "same\n", 0o666), ("removed", "bye\n", 0o600)):
        (root / name).write_text(text)
        (root / name).chmod(bits)
        os.utime(root / name, ns=LONG_AGO)
    (root / "link").symlink_to("d")
    (root / "removed-link").symlink_to("nowhere")
    (root / "replaced-link").symlink_to("changed")


def everything(root) -> dict:
    return {
        "directories": [{"path": str(root / "d"), "mode": "0700"}, {"path": str(root / "new/deep")}],
        "files": [
            {"path": str(root / "changed"), "content": "new\n", "mode": "0600"},
            {"path": str(root / "loose"), "content": "same\n", "mode": "0600"},
            {"path": str(root / "replaced-link"), "content": "a file now\n"},
            {"path": str(root / "fresh"), "content": "x"}, {"path": str(root / "new/other/fresh"), "content": "x"},
        ],
        "links": [{"path": str(root / "link"), "target": "new"}, {"path": str(root / "new-link"), "target": "d"}],
        "absent": [str(root / "removed"), str(root / "removed-link")],
    }


def test_a_refused_tree_is_taken_back_as_a_whole(tmp_path, apply):
    """nginx judges all of its files together. Contents, modes, times, links, removed files come back; what is new goes."""
    root = tmp_path / "root"
    root.mkdir()
    messy(root)
    before = snapshot(root)
    # The validator sees the new tree, and then refuses it.
    script = f"cd {root} && cp changed {tmp_path}/seen && test -e fresh && test ! -e removed && echo no good && false"
    result = apply(**everything(root), validate=f"sh -c '{script}'")
    assert result["failed"]
    assert "(exit code 1): no good" in result["msg"]
    assert (tmp_path / "seen").read_text() == "new\n"
    assert snapshot(root) == before


def test_a_tree_that_passes_stays(tmp_path, apply):
    """The converse; and the validator is asked again although nothing changed, since an earlier run may have been killed before it."""
    root = tmp_path / "root"
    root.mkdir()
    messy(root)
    assert len(apply(**everything(root), validate="true")["paths"]) == 11
    after = snapshot(root)
    assert not apply(**everything(root), validate="true")["changed"]
    assert "what is there was refused by 'false'" in apply(**everything(root), validate="false")["msg"]
    assert snapshot(root) == after


def test_check_mode_does_not_ask_the_validator(tmp_path, apply):
    """It would judge the old files, and might refuse a host for what the run is about to repair."""
    result = apply(check=True, files=[{"path": str(tmp_path / "f"), "content": "x", "validate": "false %s"}], validate="false")
    assert (result.get("failed"), result["changed"]) == (None, True)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"absent": ["{root}/d"]}, "d is a directory; this module removes files and links only"),
    ({"links": [{"path": "{root}/changed", "target": "x"}]}, "changed must be a link to x and is something else; move it away first"),
    ({"links": [{"path": "{root}/d", "target": "x"}]}, "d must be a link to x and is something else; move it away first"),
    ({"directories": [{"path": "{root}/changed"}]}, "changed must be a directory and is something else; move it away first"),
    ({"files": [{"path": "{root}/fresh", "content": "x"}, {"path": "{root}/d", "content": "x"}]}, "Is a directory"),
    ({"files": [{"path": "{root}/fresh", "content": "x"}, {"path": "{root}/changed/f", "content": "x"}]},
     "changed must be a directory and is something else"),
])
def test_nothing_of_the_operators_is_run_over(tmp_path, apply, arguments, message):
    """A directory with data where a link was expected is a reason to stop, and what came before it in the same step is taken back."""
    root = tmp_path / "root"
    root.mkdir()
    messy(root)
    before = snapshot(root)

    def below(value):
        if isinstance(value, str):
            return value.replace("{root}", str(root))
        return [below(item) for item in value] if isinstance(value, list) else {key: below(item) for key, item in value.items()}

    arguments = below(arguments)
    arguments["files"] = [{"path": str(root / "changed"), "content": "new\n"}, *arguments.get("files", [])]
    if "directories" in arguments:
        arguments["directories"].insert(0, {"path": str(root / "new/deep")})
    result = apply(**arguments)
    assert result["failed"]
    assert message in result["msg"]
    assert snapshot(root) == before


def test_links_are_replaced_without_a_gap(tmp_path, apply):
    """`current` is what services start from: there must be no moment without it, nor a leftover of a killed run in the way."""
    (tmp_path / "current").symlink_to("releases/1")
    (tmp_path / "current.new").symlink_to("left over")
    assert apply(links=[{"path": str(tmp_path / "current"), "target": "releases/2"}])["changed"]
    assert os.readlink(tmp_path / "current") == "releases/2"
    assert not os.path.lexists(tmp_path / "current.new")


def test_content_behind_a_link_of_the_operators_is_not_written_through(tmp_path, apply):
    """A configuration file that is a link to somewhere else becomes a file; the target keeps its content."""
    (tmp_path / "target").write_text("theirs")
    (tmp_path / "f").symlink_to("target")
    assert apply(files=[{"path": str(tmp_path / "f"), "content": "ours"}])["changed"]
    assert (tmp_path / "target").read_text() == "theirs"
    assert not (tmp_path / "f").is_symlink()
    assert (tmp_path / "f").read_text() == "ours"


def test_nothing_is_left_beside_the_files(tmp_path, apply):
    """conf.d directories are read whole: a forgotten candidate would be configuration."""
    root = tmp_path / "root"
    root.mkdir()
    apply(files=[{"path": str(root / "f"), "content": "x", "validate": "false %s"}])
    passing = {"path": str(root / "f"), "content": "x", "validate": "true %s"}
    apply(files=[passing, {"path": str(root / "g"), "content": "x"}], validate="false")
    assert snapshot(root) == {}
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
