"""Secrets that make themselves: the lookup `secret`, and the script that prints the vault password."""

import concurrent.futures
import os
import pathlib
import re
import stat
import subprocess
import sys
import traceback

import pytest
import yaml
from ansible.errors import AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret, is_encrypted
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar, trust_as_template

from tests.unit.support import ROOT

lookup_loader.add_directory(str(ROOT / "roles/base/lookup_plugins"))
HEX = re.compile(r"[0-9a-f]{64}")


def vault(password: str) -> list:
    return [("default", VaultSecret(password.encode()))]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "environment" / "secrets.yml"


@pytest.fixture
def lookup(path):
    """Ask for secrets as a template does, with Ansible's own loader, vault and templar."""

    def ask(*terms: str, password: str = "right", check: bool = False, **options) -> list[str]:
        loader = DataLoader()
        loader.set_vault_secrets(vault(password))
        variables = {"place": str(path), "aiko_secrets_file": trust_as_template("{{ place }}"), "ansible_check_mode": check}
        plugin = lookup_loader.get("secret", loader=loader, templar=Templar(loader=loader, variables=variables))
        return plugin.run(list(terms), variables, **options)

    return ask


def opened(path: pathlib.Path, password: str = "right") -> dict:
    return yaml.safe_load(VaultLib(vault(password)).decrypt(path.read_bytes()))


def test_a_secret_is_made_once(lookup):
    """64 hexadecimal digits, the same for ever after, another one for another name."""
    first, second = lookup("redis_password", "secret_key")
    assert HEX.fullmatch(first)
    assert HEX.fullmatch(second)
    assert first != second
    assert lookup("secret_key", "redis_password") == [second, first]
    assert lookup("jwt_secret_key")[0] not in (first, second)
    assert lookup("redis_password") == [first]


def test_the_length_can_be_chosen(lookup):
    """Some services take no more than 32 characters."""
    assert re.fullmatch(r"[0-9a-f]{32}", lookup("short", bytes=16)[0])


def test_the_file_is_encrypted_and_for_its_owner_alone(lookup, path):
    """It lies beside the inventory and is committed: nothing readable may be in it, for nobody else on this machine either."""
    value = lookup("redis_password")[0]
    assert is_encrypted(path.read_bytes())
    assert value not in path.read_text()
    assert "redis_password" not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert opened(path) == {"redis_password": value}


def test_check_mode_writes_nothing(lookup, path):
    """`--check` on a new environment shows what would come, and must not leave secrets that no host has."""
    assert HEX.fullmatch(lookup("redis_password", check=True)[0])
    assert not path.parent.exists()
    value = lookup("redis_password")[0]
    before = path.read_bytes()
    known, made = lookup("redis_password", "another", check=True)
    assert known == value
    assert HEX.fullmatch(made)
    assert path.read_bytes() == before


def test_known_secrets_are_read_without_writing(lookup, path):
    """A second run must not touch the file: it is in version control, and encryption looks different each time."""
    lookup("redis_password")
    before = (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino)
    lookup("redis_password")
    assert (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) == before


def test_the_wrong_password_is_said_clearly_and_nothing_is_lost(lookup, path):
    """Taking it for an empty file would replace every secret of a running environment."""
    lookup("redis_password")
    before = path.read_bytes()
    for check in (False, True):
        with pytest.raises(AnsibleLookupError) as refused:
            lookup("redis_password", "new_one", password="wrong", check=check)
        message = str(refused.value)
        assert message.startswith(f"the vault password does not open {path}. Expected: the password it was encrypted with. Remedy: ")
        assert "nothing was changed" in message
    assert path.read_bytes() == before
    assert [entry for entry in path.parent.iterdir() if entry.name not in ("secrets.yml", "secrets.yml.lock")] == []


def write(path: pathlib.Path, text: str, encrypted: bool = True) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(VaultLib(vault("right")).encrypt(text, secret=vault("right")[0][1]) if encrypted else text.encode())


def test_an_unencrypted_file_is_refused(lookup, path):
    """Somebody ran ansible-vault decrypt: going on would be going on with secrets in the open."""
    write(path, "redis_password: hunter2\n", encrypted=False)
    with pytest.raises(AnsibleLookupError, match="is not encrypted; run: ansible-vault encrypt") as refused:
        lookup("redis_password", "new_one")
    assert "hunter2" not in str(refused.value)
    assert path.read_text() == "redis_password: hunter2\n"


@pytest.mark.parametrize("text", ["just text", "[a, b]", ""])
def test_a_file_that_is_no_map_is_refused(lookup, path, text):
    """It would be replaced by one that is."""
    write(path, text)
    before = path.read_bytes()
    with pytest.raises(AnsibleLookupError, match="must hold a map of names to secrets"):
        lookup("redis_password")
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["", "Redis", "redis-password", "../x", "1st", "a b", "a\nb", "a: b"])
def test_a_bad_name_is_refused(lookup, path, name):
    """It would be a key that YAML reads as something else."""
    with pytest.raises(AnsibleLookupError, match="is not the name of a secret"):
        lookup(name)
    assert not path.exists()


def test_what_operators_put_there_survives_a_new_secret(lookup, path):
    """Keys of several lines, passwords with blanks, numbers: adding a secret writes the whole file anew."""
    theirs = {
        "smtp_password": "a long pass phrase with blanks: and # all kinds of 'quotes' \"too\", longer than any line should be " * 3,
        "tls_key": "-----BEGIN PRIVATE KEY-----\nMIGH\n\n  indented\n-----END PRIVATE KEY-----\n",
        "all_digits": "0123", "looks_like_a_number": "1e5", "yes": "no", "nothing": "", "accents": "é語", "number": 5,
        "parts": {"user": "u"},
    }
    write(path, yaml.safe_dump(theirs))
    assert lookup("tls_key") == [theirs["tls_key"]]
    made = lookup("redis_password")[0]
    assert opened(path) == {**theirs, "redis_password": made}


def test_a_file_that_is_no_yaml_is_refused_without_quoting_it(lookup, path):
    """YAML's own messages show the text around the mistake."""
    write(path, "fine: x\nsmtp_password: hunter2: hunter2\n")
    before = path.read_bytes()
    with pytest.raises(AnsibleLookupError, match=r"does not hold YAML \(line 2\); run: ansible-vault edit") as refused:
        lookup("redis_password")
    assert "hunter2" not in "".join(traceback.format_exception(refused.value))
    assert path.read_bytes() == before


def test_values_that_look_like_numbers_come_back_as_text(lookup, path, monkeypatch):
    """A hexadecimal value may have digits only, and must stay text."""
    monkeypatch.setattr("secrets.token_hex", lambda count: "0" * 63 + "7")
    assert lookup("redis_password") == ["0" * 63 + "7"]
    assert lookup("redis_password") == ["0" * 63 + "7"]


RACE = """
import sys
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultSecret
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar
lookup_loader.add_directory("roles/base/lookup_plugins")
loader = DataLoader()
loader.set_vault_secrets([("default", VaultSecret(b"right"))])
variables = {"aiko_secrets_file": sys.argv[1]}
plugin = lookup_loader.get("secret", loader=loader, templar=Templar(loader=loader, variables=variables))
print("ready", flush=True)
sys.stdin.readline()
for name in sys.argv[2:]:
    print(*plugin.run([name], variables), flush=True)
"""


def test_many_processes_agree(path):
    """Ansible templates hosts in parallel: two values for one password would lock half of the hosts out."""
    names = ["alpha", "beta", "gamma"]
    processes = [
        subprocess.Popen([sys.executable, "-c", RACE, str(path), *names[turn:], *names[:turn]], cwd=ROOT, text=True,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for turn in (0, 1, 2, 0)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate()[0].split() for process in processes]
    found = [dict(zip(names[turn:] + names[:turn], answer, strict=True)) for turn, answer in zip((0, 1, 2, 0), answers, strict=True)]
    assert all(answer == found[0] for answer in found)
    assert opened(path) == found[0]
    assert len(set(found[0].values())) == 3


SCRIPT = ROOT / "inventories" / "vault-password"


def password(path: pathlib.Path, umask: int = 0o022) -> subprocess.CompletedProcess:
    environment = {**os.environ, "AIKO_VAULT_PASSWORD_FILE": str(path)}
    return subprocess.run([sys.executable, str(SCRIPT)], env=environment, umask=umask, capture_output=True, text=True, check=True)


def test_the_vault_password_is_made_once(tmp_path):
    """And it says so, once, on stderr: Ansible takes all of stdout for the password."""
    path = tmp_path / "config" / "vault-password"
    first = password(path)
    assert HEX.fullmatch(first.stdout.strip())
    assert f"A new vault password was written to {path}. Keep a copy" in first.stderr
    assert first.stdout.strip() not in first.stderr
    second = password(path)
    assert (second.stdout, second.stderr) == (first.stdout, "")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_vault_password_is_for_its_owner_alone(tmp_path, umask):
    """Whoever reads it reads every secret of every environment."""
    path = tmp_path / "config" / "vault-password"
    password(path, umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_a_password_that_is_there_is_left_alone(tmp_path):
    """Teams share one; a trailing line break is an editor's, not the password's."""
    path = tmp_path / "vault-password"
    path.write_text("the team's own\n")
    assert password(path).stdout == "the team's own\n"
    assert path.read_text() == "the team's own\n"


def test_eight_at_once_get_one_password(tmp_path):
    """The first `make up` of two terminals must not encrypt with two passwords, of which one is then lost."""
    path = tmp_path / "config" / "vault-password"
    with concurrent.futures.ThreadPoolExecutor(8) as many:
        runs = list(many.map(lambda _: password(path), range(8)))
    assert {run.stdout for run in runs} == {path.read_text()}
    assert sum("A new vault password" in run.stderr for run in runs) == 1
