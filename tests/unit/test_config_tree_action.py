"""config_tree as tasks use it: templates, secrecy and check mode through ansible-playbook on this machine."""

import grp
import json
import os
import pwd
import sys

import pytest
import yaml

from tests.unit.support import playbook

USER, GROUP = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
SECRET = "hunter2-hunter2"
TEMPLATE = """\
{{ ansible_managed | comment }}
{% for name in names %}
    {% if loop.first %}
first {{ name }}
    {% endif %}
{% endfor %}
backslash \\n {{ path_like }}{{ '\\ttab' }}
{% include 'part.j2' %}

{{ instance }} for {{ template_destpath }}
"""


def role(place) -> None:
    """A role with templates, as the real ones have them."""
    templates = place / "roles" / "demo" / "templates" / "etc"
    templates.mkdir(parents=True)
    (templates / "demo.conf.j2").write_text(TEMPLATE)
    (templates / "part.j2").write_text("part of {{ instance }}")
    (templates / "wrong.j2").write_text("{{ nobody_set_this }}")
    tasks = place / "roles" / "demo" / "tasks"
    tasks.mkdir()
    (tasks / "main.yml").write_text(yaml.safe_dump([
        {**task("good", **good(place)), "tags": "good"},
        task("template", files=[{"path": f"{place}/x", "template": "etc/missing.j2"}]),
        task("undefined", files=[{"path": f"{place}/x", "template": "etc/wrong.j2"}]),
        task("relative", files=[{"path": "x", "content": "x"}]),
        task("two sources", files=[{"path": f"{place}/x", "content": "x", "template": "etc/demo.conf.j2"}]),
        task("no source", files=[{"path": f"{place}/x"}]),
        task("no text", files=[{"path": f"{place}/x", "content": ["x"]}]),
        task("refused", files=[{"path": f"{place}/x", "content": f"key {SECRET}\n", "secret": True,
                                "validate": "sh -c 'cat $0; echo Bad directive; false' %s"}]),
    ]))


def task(name: str, **arguments) -> dict:
    return {"name": name, "config_tree": {"owner": USER, "group": GROUP, **arguments}, "ignore_errors": True}


def good(place) -> dict:
    entry = {"template": "etc/demo.conf.j2", "vars": {"instance": "cache"}}
    return {
        "below": f"{place}/made",
        "directories": [{"path": f"{place}/made/d", "mode": "0750"}],
        "files": [
            {"path": "demo.conf", **entry}, {"path": "second.conf", **entry, "vars": {"instance": "queue"}},
            {"path": f"{place}/made/absolute", "content": "é {{ '{{' }}\n"},
            {"path": "key", "content": f"password {SECRET}\n", "mode": "0600", "secret": True},
            {"path": "binary", "base64": "AP8="},
        ],
        "links": [{"path": f"{place}/made/link", "target": "demo.conf"}],
    }


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """One playbook four times: in check mode, for real, again, and after somebody changed something."""
    place = tmp_path_factory.mktemp("action")
    role(place)
    (place / "play.yml").write_text(yaml.safe_dump([{
        "hosts": "localhost", "gather_facts": False, "become": False, "connection": "local", "roles": ["demo"],
        "vars": {"ansible_python_interpreter": sys.executable, "names": ["a", "b"], "path_like": "C:\\new"},
    }]))

    def run(*arguments: str, callback: str = "ansible.posix.json"):
        done = playbook(place, "-i", "localhost,", str(place / "play.yml"), *arguments, ANSIBLE_STDOUT_CALLBACK=callback)
        assert done.returncode == 0, done.stdout + done.stderr
        if callback == "default":
            return done.stdout + done.stderr
        tasks = json.loads(done.stdout)["plays"][0]["tasks"]
        return {entry["task"]["name"].removeprefix("demo : "): entry["hosts"]["localhost"] for entry in tasks}

    results = {"place": place, "check": run("--check", "--diff", "--tags=good"), "made": (place / "made").exists()}
    results |= {"real": run("--diff"), "again": run("--diff", "--tags=good")}
    (place / "made/key").write_text("changed\n")
    (place / "made/demo.conf").write_text("changed\n")
    results["verbose"] = run("-vvv", "--diff", callback="default")
    return results


def test_check_mode_is_a_promise(runs):
    """It writes nothing, and names what the real run then changes."""
    assert not runs["made"]
    assert runs["check"]["good"]["changed"]
    assert set(runs["check"]["good"]["paths"]) == set(runs["real"]["good"]["paths"])
    assert len(runs["real"]["good"]["paths"]) == 7


def test_templates_render_as_ansibles_own_do(runs):
    """Trimmed blocks, includes, per-file variables, a header that names the source and no date; backslashes stay."""
    place = runs["place"]
    lines = (place / "made/second.conf").read_text().splitlines()
    assert lines[:4] == ["#", "# Ansible managed: roles/demo/templates/etc/demo.conf.j2. Changes made here are lost.", "#", "first a"]
    assert lines[4:] == ["backslash \\n C:\\new\ttab", "part of queue", f"queue for {place}/made/second.conf"]
    assert (place / "made/demo.conf").read_text().splitlines()[5:] == ["part of cache", f"cache for {place}/made/demo.conf"]


def test_contents_arrive_as_they_are(runs):
    """Text that looks like a template after rendering is not rendered again; bytes are bytes."""
    place = runs["place"]
    assert (place / "made/absolute").read_text() == "é {{\n"
    assert (place / "made/binary").read_bytes() == b"\x00\xff"
    assert os.readlink(place / "made/link") == "demo.conf"
    assert (place / "made/key").stat().st_mode & 0o777 == 0o600
    assert (place / "made/key").read_text() == f"password {SECRET}\n"


def test_a_second_run_changes_nothing(runs):
    """The first thing that anybody asks of a playbook."""
    assert runs["again"]["good"]["changed"] is False
    assert runs["again"]["good"]["paths"] == []


def test_secrets_are_in_no_output(runs):
    """Neither in -vvv nor in --diff, not in what a callback stores, and not where a validator quotes the file."""
    assert SECRET not in runs["verbose"]
    assert SECRET not in json.dumps([runs["check"], runs["real"], runs["again"]])
    assert "-changed\n+#" in runs["verbose"], "the diff of the open file is shown"
    assert "(content is secret)" in runs["verbose"]


@pytest.mark.parametrize(("name", "message"), [
    ("template", "etc/missing.j2"), ("undefined", "nobody_set_this"),
    ("relative", "every file needs an absolute 'path', not 'x'"),
    ("two sources", "x needs exactly one of 'template', 'content' and 'base64'"),
    ("no source", "x needs exactly one of 'template', 'content' and 'base64'"), ("no text", "the content of"),
    ("refused", "Bad directive"),
])
def test_mistakes_are_named(runs, name, message):
    """A missing template or variable is a mistake of the role's author; the message points at it, and nothing is written."""
    result = runs["real"][name]
    assert result["failed"]
    assert message in result["msg"]
    assert not (runs["place"] / "x").exists()
