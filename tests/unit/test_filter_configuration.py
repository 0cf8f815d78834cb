"""filter_plugins/configuration.py: values in the syntax of the file they go into."""

import random
import re
import subprocess

import pytest
from ansible.errors import AnsibleFilterError

from tests.unit.support import load

configuration = load("filter_plugins/configuration.py")

# What breaks quoting: every printable ASCII character, blanks of all kinds, other scripts.
ALPHABET = [chr(number) for number in range(32, 127)] + ["\t", "\r", "\x0b", "é", "語", "🎓", " ", "\u2028"]
AWKWARD = [
    "", " ", " x ", "#x", ";x", "x#y", 'a"b', "a'b", "a\\b", "\\", '\\"', "$HOME", "${HOME}", "`id`", "$(id)", "%h", "a=b", "=", "~", "*",
    "!", "a\\nb", "ends with \\", "'", '"', "postgresql+psycopg2://u@h:5432/db?sslmode=verify-full&sslrootcert=/x", "a\tb", "x\r",
]


def awkward_values() -> dict[str, str]:
    """A few hundred values, the same on each run."""
    chance = random.Random(20250101)
    made = ["".join(chance.choices(ALPHABET, k=chance.randint(1, 12))) for _ in range(400)]
    return {f"V{number}": value for number, value in enumerate(AWKWARD + made)}


def environment_of_systemd(text: str) -> dict[str, str]:
    """Read an EnvironmentFile by the rules of systemd.exec(5), for values on one line.

    Lines that begin with # or ; are comments; leading and trailing blanks of an unquoted value go; inside double quotes a backslash
    takes effect before " \\ ` $ only.
    """
    found = {}
    for line in text.split("\n"):
        if not line or line[0] in "#;":
            continue
        name, raw = line.split("=", 1)
        if raw.startswith('"'):
            match = re.fullmatch(r'"((?:[^"\\]|\\.)*)"', raw, re.DOTALL)
            assert match, f"unbalanced quotes: {line!r}"
            found[name] = re.sub(r'\\(["\\`$])', r"\1", match[1])
        else:
            assert not re.search(r"[\s\"'\\]", raw), f"needs quotes: {line!r}"
            found[name] = raw
    return found


def test_environment_survives_systemds_rules():
    """A password or URL that arrives changed fails at the first connection, with a message about something else."""
    values = awkward_values()
    assert environment_of_systemd(configuration.environment_file(values)) == values


def test_environment_survives_a_shell(tmp_path):
    """Operators source the file, and a shell is a second, real parser of the same quoting."""
    values = awkward_values()
    (tmp_path / "env").write_text(configuration.environment_file(values), newline="")
    script = ". ./env\n" + "".join(f'printf "%s\\0" "${name}"\n' for name in values)
    out = subprocess.run(["sh", "-eu", "-c", script], cwd=tmp_path, capture_output=True, check=True, env={"HOME": "/wrong"}).stdout
    assert dict(zip(values, out.decode().split("\0"), strict=False)) == values


def test_environment_values_of_other_kinds():
    """YAML has numbers and truth; None means that a default shall not be set at all."""
    text = configuration.environment_file({"B": True, "A": 4, "C": None, "D": False, "E": ""})
    assert text == "# Ansible managed. Changes made here are lost.\nA=4\nB=true\nD=false\nE=\n"


@pytest.mark.parametrize("variables", [{"A": "x\nLD_PRELOAD=/tmp/evil.so"}, {"A": "\n"}])
def test_environment_refuses_a_line_break(variables):
    """The rest of the value would be a variable of its own."""
    with pytest.raises(AnsibleFilterError, match="A has a line break; an environment file cannot carry it"):
        configuration.environment_file(variables)


@pytest.mark.parametrize("name", ["", "1A", "A B", "A=B", "A\nB", "É", "A-B"])
def test_environment_refuses_what_is_no_name(name):
    """systemd skips such a line with a warning that nobody reads."""
    with pytest.raises(AnsibleFilterError, match="is not the name of an environment variable"):
        configuration.environment_file({name: "x"})


def unquoted_by_postgresql(text: str) -> dict[str, str]:
    """Read lines of postgresql.conf: in quotes, '' is a quote and a backslash escapes (guc-file.l)."""
    found = {}
    for line in text.splitlines():
        match = re.fullmatch(r"(\w[\w.]*) = '((?:[^'\\\n]|\\.|'')*)'", line)
        assert match, line
        found[match[1]] = re.sub(r"\\(.)|''", lambda part: part[1] or "'", match[2])
    return found


def test_postgresql_quoting():
    """archive_command and log_line_prefix hold quotes, backslashes and percent signs."""
    settings = {name.lower(): value for name, value in awkward_values().items() if not set(value) & set("\r\x0b\u2028")}
    settings["archive_command"] = "test ! -f '/a\\b/%f' && cp \"%p\" '/a\\b/%f'"
    assert unquoted_by_postgresql(configuration.postgresql_settings(settings)) == settings


def test_postgresql_values_of_other_kinds():
    """True is on, and None leaves the server's default."""
    assert configuration.postgresql_settings({"ssl": False, "jit": True, "port": 5432, "ssl_key_file": None, "a": 1.1}) == (
        "a = '1.1'\njit = 'on'\nport = '5432'\nssl = 'off'\n")


@pytest.mark.parametrize("settings", [{"work_mem": "4MB'\nfsync = 'off"}, {"work_mem = 1\nfsync": "off"}, {"": "x"}, {"a b": "x"}])
def test_postgresql_refuses_what_would_be_another_setting(settings):
    """A value must not switch fsync off in passing."""
    with pytest.raises(AnsibleFilterError, match="line break|is not the name of a setting"):
        configuration.postgresql_settings(settings)


def test_redis_directives():
    """Lists repeat (save, rename-command), truth is yes and no, and empty text is written, since `save ""` means something."""
    assert configuration.redis_directives({
        "appendonly": True, "protected-mode": False, "save": "", "port": 6379, "logfile": None,
        "client-output-buffer-limit": ["normal 0 0 0", "pubsub 32mb 8mb 60"],
    }).splitlines() == [
        "appendonly yes", "protected-mode no", 'save ""', "port 6379",
        "client-output-buffer-limit normal 0 0 0", "client-output-buffer-limit pubsub 32mb 8mb 60",
    ]


@pytest.mark.parametrize("settings", [
    {"maxmemory": "1gb\nrequirepass x"}, {"bind": ["127.0.0.1", "x\nprotected-mode no"]}, {"port 1\nprotected-mode": "no"}, {"": "x"},
    {"include /etc/shadow #": "x"},
])
def test_redis_refuses_what_would_be_another_directive(settings):
    """Two words of a value could switch the password off."""
    with pytest.raises(AnsibleFilterError, match="line break|is not the name of a directive"):
        configuration.redis_directives(settings)
