"""filter_plugins/preflight.py: what cannot work is said before anything is changed."""

import copy

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.manager import VariableManager

from tests.unit.support import GROUPS, ROOT, everything_on, load

preflight = load("filter_plugins/preflight.py")

KNOWN = preflight.documented_variables(str(ROOT))
FACTS = {
    "distribution": "Debian", "distribution_release": "trixie", "distribution_version": "13", "memtotal_mb": 4096, "processor_vcpus": 2,
}
SHARED = {}
for path in sorted((ROOT / "inventories/shared").glob("*.yml")):
    SHARED |= yaml.safe_load(path.read_text())
PASSWORDS = {"postgresql_password": "0123456789abcdef" * 4, "redis_password": "fedcba9876543210" * 4}
DISK = "1M-blocks  Avail\n    20000  15000\n"


def variables(host: str = "one", facts: dict | None = None, **given) -> dict:
    """What hostvars has for a host, where it matters here."""
    return {**copy.deepcopy(SHARED), "inventory_hostname": host, "aiko_environment": "test", "aiko_domain": "aiko.example.com",
            "aiko_address": "192.0.2.1", "ansible_facts": {**FACTS, **(facts or {})}, **PASSWORDS, **given}


def groups(*hosts: str, **members) -> dict:
    hosts = hosts or ("one",)
    return {"all": list(hosts), "ungrouped": [], **everything_on(hosts[0], **members)}


def errors(disk: str = DISK, among: dict | None = None, **given) -> list[str]:
    return preflight.host_errors(variables(**given), disk, among or groups(), KNOWN)


def complete(message: str) -> bool:
    """Every message says what was expected and what helps."""
    return "Expected: " in message and "Remedy: " in message and not message.endswith(".")


def test_a_good_host_has_no_errors():
    """The converse of everything below: a preflight that refuses good hosts gets switched off."""
    assert errors() == []
    assert preflight.inventory_errors(groups(), list(GROUPS), {"one": variables()}) == []
    assert preflight.pool_errors({"one": variables()}, groups()) == []


@pytest.mark.parametrize("name", ["lab", "staging", "production"])
def test_the_shipped_inventories_have_no_errors(name):
    """They are the examples that people copy. Bytes for bytes as Ansible reads them, with the facts of a small Debian host."""
    loader = DataLoader()
    inventory = InventoryManager(loader, [str(ROOT / "inventories" / name)])
    manager = VariableManager(loader, inventory)
    among = inventory.get_groups_dict()
    hostvars = {}
    for number, host in enumerate(inventory.get_hosts(), 1):
        raw = manager.get_vars(host=host, include_hostvars=False)
        hostvars[host.name] = {**raw, **PASSWORDS, "aiko_address": f"192.0.2.{number}", "ansible_facts": FACTS}
    assert hostvars
    assert preflight.inventory_errors(among, SHARED["aiko_groups"], hostvars) == []
    assert [preflight.host_errors(one, DISK, among, KNOWN) for one in hostvars.values()] == [[]] * len(hostvars)
    assert preflight.pool_errors(hostvars, among) == []


@pytest.mark.parametrize(("given", "parts"), [
    ({"redis_maxmemry": "1gb"}, ["variable redis_maxmemry is not one that any role knows"]),
    ({"postgresql_max_conections": 200}, ["postgresql_max_conections", "did you mean postgresql_max_connections?"]),
    ({"nginx_zzzzzzz": 1}, ["nginx_zzzzzzz", "remove it, or see the role's README"]),
    ({"aiko_runtime": "docker"}, ["aiko_runtime is 'docker'", "Expected: native or container", "set it to one of them"]),
    ({"aiko_runtime": None}, ["aiko_runtime is 'None'", "Expected: native or container"]),
    ({"aiko_runtime": "container", "facts": {"distribution_release": "bookworm"}},
     ["aiko_runtime is container, but this is Debian 12", "Expected: Debian 13", "set aiko_runtime: native"]),
    ({"aiko_domain": ""}, ["aiko_domain is ''", "DNS name, for example aiko.example.com"]),
    ({"facts": {"distribution": "Ubuntu", "distribution_version": "24.04", "distribution_release": "noble"}},
     ["runs Ubuntu 24.04", "Expected: Debian 12 or 13", "install one of these"]),
    ({"facts": {"distribution_release": "bullseye", "distribution_version": "11"}}, ["runs Debian 11", "Expected: Debian 12 or 13"]),
    ({"facts": {"memtotal_mb": 512}}, ["has 512 MB of memory", "postgresql shared_buffers 256 MB", "Expected: at least", "make one of"]),
    ({"redis_queue_maxmemory": "16gb"}, ["redis_queue_maxmemory 16384 MB"]),
    ({"postgresql_settings": {"shared_buffers": "8GB"}}, ["postgresql shared_buffers 8192 MB"]),
    ({"backend_workers": 100}, ["backend_workers 6000 MB"]),
    ({"celery_pools": {"ai": {"queues": ["ai"], "concurrency": 60}}}, ["celery_pools 4270 MB"]),
    ({"disk": "1M-blocks Avail\n 4000 3000\n"}, [
        "has a file system of 4000 MB at /", "at least 9360 MB", "backend, backup, monitoring, postgresql, proxy"]),
    ({"disk": "1M-blocks Avail\n 20000 299\n"}, ["has 299 MB free at /", "at least 300 MB", "make room"]),
    ({"backend_workers": "many"}, ["backend_workers is 'many'", "a whole number of at least 1, or auto"]),
    ({"postgresql_max_connections": "a lot"}, ["postgresql_max_connections is 'a lot'", "a whole number of at least 1. "]),
    ({"backend_database_pool": 0}, ["backend_database_pool is '0'"]),
    ({"celery_pools": {"ai": {"queues": ["ai"]}}}, ["celery_pools: pool ai is", "a list 'queues' and a 'concurrency' of at least 1"]),
    ({"celery_pools": {"ai": 2}}, ["celery_pools: pool ai is '2'"]),
    ({"celery_pools": {"ai": {"queues": ["ai"], "concurrency": -1}}}, ["celery_pools: pool ai is"]),
])
def test_each_error_is_said_once_with_host_variable_expectation_and_remedy(given, parts):
    """A message that lacks one of these sends the operator to the source code."""
    given = dict(given)
    found = errors(disk=given.pop("disk", DISK), **given)
    assert len(found) == 1, found
    assert found[0].startswith("one: ")
    assert all(part in found[0] for part in parts), found[0]
    assert complete(found[0])


@pytest.mark.parametrize("password", ["", None, "sh0rt", "fifteen_letters", "a long pass phrase", "with@in-an-url-x",
                                      "semi;colon-and-more", "x" * 16 + "\n"])
@pytest.mark.parametrize("name", ["postgresql_password", "redis_password"])
def test_passwords_that_would_not_survive_the_files_they_go_into(name, password):
    """They stand in URLs and in redis.conf, where @, a blank or a quote means something. The message must not repeat them."""
    found = errors(**{name: password})
    assert len(found) == 1
    assert f"one: {name} is empty, short or has a character that is not plain" in found[0]
    assert complete(found[0])
    assert not password or password not in found[0]
    assert errors(**{name: "Plain-enough_for.all~16"}) == []
    elsewhere = groups("two", "one", postgresql=["two"], redis=["two"])
    assert errors(among=elsewhere, **{name: password}) == [], "asked where the service runs"


MAIL = {"alertmanager_email_to": "ops@example.com", "alertmanager_smarthost": "smtp.example.com:587"}


@pytest.mark.parametrize(("given", "part"), [
    ({"alertmanager_email_to": "ops@example.com"}, "alertmanager_email_to is set and alertmanager_smarthost is not"),
    ({"alertmanager_smarthost": "smtp.example.com:25"}, "alertmanager_smarthost is set and alertmanager_email_to is not"),
    ({**MAIL, "alertmanager_smarthost": "smtp.example.com"}, "alertmanager_smarthost is 'smtp.example.com'"),
    ({**MAIL, "alertmanager_smarthost": "smtp.example.com:mail"}, "Expected: HOST:PORT"),
    ({**MAIL, "alertmanager_email_to": "ops@example.com, nobody"}, "alertmanager_email_to has 'nobody'"),
    ({**MAIL, "alertmanager_email_from": "nobody"}, "alertmanager_email_from has 'nobody'"),
    ({**MAIL, "alertmanager_smtp_user": "ops"}, "alertmanager_smtp_user and alertmanager_smtp_password"),
    ({"alertmanager_webhook_url": "hooks.example.com/secret-token"}, "alertmanager_webhook_url is no address"),
    ({"alertmanager_watchdog_url": "ftp://dead.example.com"}, "alertmanager_watchdog_url is no address"),
])
def test_receivers_that_could_not_work(given, part):
    """Whoever is not told finds out on the day that something breaks. An address of a webhook is a secret and is not repeated."""
    found = errors(**given)
    assert len(found) == 1, found
    assert part in found[0]
    assert complete(found[0])
    assert "secret-token" not in found[0]
    assert errors(among=groups(monitoring=[]), **given) == [], "asked where the service runs"


def test_receivers_that_work():
    """Several people, with their names, through a server by address, and a webhook: all of it is common."""
    assert errors(**MAIL) == []
    assert errors(
        alertmanager_email_to="A <a@example.com>, b@example.com", alertmanager_smarthost="192.0.2.25:25", alertmanager_smtp_user="ops",
        alertmanager_smtp_password="x", alertmanager_webhook_url="https://hooks.example.com/a/b",
    ) == []  # fmt: skip


def test_one_host_watches():
    """Two would tell of everything twice, and each know half."""
    among = groups("one", "two", monitoring=["one", "two"])
    found = preflight.inventory_errors(among, list(GROUPS), {"one": variables(), "two": variables()})
    assert len(found) == 1
    assert "group 'monitoring' has 2 hosts" in found[0]
    assert complete(found[0])


def test_errors_of_a_host_come_together():
    """One run shows all of them; finding them one after the other takes a run each."""
    assert len(errors(aiko_domain="x", aiko_runtime="docker", redis_maxmemry=1, facts={"memtotal_mb": 100})) == 4


@pytest.mark.parametrize("name", [
    "redis_cache_policy", "ansible_user", "my_variable", "__redis_private", "basement", "unit", "certificates_list",
])
def test_names_that_are_documented_or_not_ours_pass(name):
    """Operators have variables of their own."""
    assert errors(**{name: "x"}) == []


@pytest.mark.parametrize("domain", [
    "localhost", "a b.test", "https://aiko.test", "aiko.test/", "aiko..test", "-aiko.test", "aiko.test.", "aiko.test; return 200",
    "a_b.test", "aiko.test:443", "x" * 64 + ".test", None, True, "aiko.test\n",
])
def test_domains_that_are_none(domain):
    """The name goes into nginx's configuration and the certificate."""
    found = errors(aiko_domain=domain)
    assert len(found) == 1
    assert "aiko_domain is '" in found[0]


@pytest.mark.parametrize("domain", ["aiko.test", "AIKO-1.sub.example.com", "xn--bcher-kva.example", "192.0.2.7", "x" * 63 + ".test"])
def test_domains_that_are_some(domain):
    """Internationalised names come in their ASCII form; a lab may have an address only."""
    assert errors(aiko_domain=domain) == []


@pytest.mark.parametrize("address", ["", None, "127.0.0.1", "::1", "app.example.com", "10.0.0.300"])
def test_several_hosts_need_addresses_that_others_reach(address):
    """127.0.1.1 from /etc/hosts is the classic: the other host then connects to itself."""
    two = groups("one", "two", backend=["two"])
    found = errors(among=two, aiko_address=address)
    assert len(found) == 1
    assert "one: aiko_address is '" in found[0]
    assert complete(found[0])
    assert errors(aiko_address=address) == [], "one host needs no address"


def test_memory_is_counted_for_what_the_host_runs():
    """A host of workers does not pay for shared_buffers, `auto` sizes itself, and one instance of Redis is one."""
    little = {"memtotal_mb": 700}
    proxy = groups("two", "one", proxy=["one"])
    assert errors(among=proxy, facts=little) == []
    worker = groups("two", "one", worker=["one"])
    assert errors(among=worker, facts={"memtotal_mb": 256 + 9 * 70}) == []
    assert len(errors(among=worker, facts={"memtotal_mb": 256 + 9 * 70 - 1})) == 1
    data = groups("two", "one", postgresql=["one"], redis=["one"])
    assert len(errors(among=data, facts=little)) == 1
    assert errors(among=data, facts=little, postgresql_sizing="auto", redis_layout="single") == []


def test_disk_is_counted_once_for_the_releases():
    """Backend, worker and scheduler of one host share the release; PostgreSQL on its own needs its own share only."""
    assert errors(disk="1M-blocks Avail\n 9360 3000\n") == []
    assert errors(disk="1M-blocks Avail\n 7568 3000\n", prometheus_retention_size="256MB") == []
    assert errors(disk="1M-blocks Avail\n 6912 3000\n", among=groups(monitoring=[])) == []
    assert errors(disk="1M-blocks Avail\n 5376 3000\n", among=groups(monitoring=[], backup=[])) == []
    assert len(errors(disk="1M-blocks Avail\n 5375 3000\n")) == 1
    workers = groups("two", "one", worker=["one"], scheduler=["one"])
    assert errors(disk="1M-blocks Avail\n 1536 1000\n", among=workers) == []


@pytest.mark.parametrize(("size", "expected"), [
    ("256MB", 256), ("256mb", 256), ("1g", 1024), ("1.5GB", 1536), ("2TB", 2 * 1024**2), ("512kB", 0), (268435456, 256), ("nonsense", 0),
    ("", 0),
])
def test_megabytes(size, expected):
    """Sizes come in the spelling of PostgreSQL and of Redis; what is none is refused where it is used."""
    assert preflight.megabytes(size) == expected


def hostvars_of(names: list[str], **given) -> dict:
    return {name: variables(name, **given) for name in names}


def test_pools_that_may_open_too_many_connections():
    """Found under load otherwise, as `FATAL: sorry, too many clients already`."""
    found = preflight.pool_errors(hostvars_of(["one"], postgresql_max_connections=60), groups())
    assert len(found) == 1
    # 2 x (4 + 1) x 4 of the backend, (2 + 1) x 3 x 2 of the pools.
    assert "one: postgresql_max_connections leaves 52 connections" in found[0]
    assert "may open 58" in found[0]
    assert "backend 2 x (4 workers + 1) x backend_database_pool 4 = 40" in found[0]
    assert "celery_pools 9 processes x celery_database_pool 2 = 18" in found[0]
    assert "raise postgresql_max_connections to 66" in found[0]
    assert complete(found[0])


def test_the_remedy_for_pools_is_exactly_enough():
    """Following the advice must not end in the next error; one less must."""
    assert preflight.pool_errors(hostvars_of(["one"], postgresql_max_connections=66), groups()) == []
    assert len(preflight.pool_errors(hostvars_of(["one"], postgresql_max_connections=65), groups())) == 1


def test_pools_of_several_hosts_add_up_and_auto_counts_cores():
    """Each further host multiplies; the database's limit is that of its own host."""
    among = groups("data", "one", "two", backend=["one", "two"], worker=["two"])
    hostvars = hostvars_of(["one", "two", "data"], backend_workers="auto", facts={"processor_vcpus": 8})
    hostvars["data"]["postgresql_max_connections"] = 305
    found = preflight.pool_errors(hostvars, among)
    # Twice 2 x (17 + 1) x 4 and once 18.
    assert "but the pools may open 306" in found[0]
    hostvars["data"]["postgresql_max_connections"] = 314
    assert preflight.pool_errors(hostvars, among) == []


def test_pools_without_a_database_of_ours():
    """Nothing to compare with."""
    assert preflight.pool_errors(hostvars_of(["one"]), groups(postgresql=[])) == []


def inventory_errors(among: dict, **given) -> list[str]:
    return preflight.inventory_errors(among, list(GROUPS), hostvars_of(among["all"], **given))


def test_a_missing_group_is_named_with_its_likely_misspelling():
    """Ansible ignores a play whose group does not exist: the site would lack its workers, and say nothing."""
    among = groups()
    among["workers"] = among.pop("worker")
    found = inventory_errors(among)
    assert len(found) == 1
    assert "group 'worker' is missing (did you mean it by 'workers'?)" in found[0]
    assert complete(found[0])


def test_a_missing_group_without_anything_alike():
    """No guess is better than a wrong one: a right group is never called a misspelling."""
    among = groups()
    del among["worker"]
    assert "did you mean" not in inventory_errors(among)[0]
    among = {"all": ["one"], "backends": ["one"], "frontend": ["one"]}
    assert "(did you mean it by 'backends'?)" in preflight.inventory_errors(among, ["backend", "frontend"], hostvars_of(["one"]))[0]
    assert "did you mean" not in preflight.inventory_errors({"all": [], "backend": []}, ["backend", "backend2"], {})[0]


@pytest.mark.parametrize(("group", "what"), [("postgresql", "database"), ("redis", "Redis")])
def test_a_service_of_one_host_on_two(group, what):
    """Half of the application would write to one database, half to the other."""
    found = inventory_errors(groups("one", "two", **{group: ["one", "two"]}))
    assert len(found) == 1
    assert f"group '{group}' has 2 hosts (one, two). Expected: one, because the {what} is a single-host service" in found[0]
    assert complete(found[0])


def test_an_application_without_its_stores():
    """The message says who needs the group."""
    found = inventory_errors(groups(postgresql=[], redis=[], backup=[]))
    assert len(found) == 2
    assert "group 'postgresql' is empty, but backend, worker, scheduler need it" in found[0]
    assert "group 'redis' is empty, but backend, worker, scheduler need it" in found[1]
    assert all(complete(text) for text in found)
    assert inventory_errors({"all": [], **{name: [] for name in GROUPS}}) == []


def test_a_backup_host_needs_something_to_back_up():
    """An empty nightly run would look like a backup."""
    found = inventory_errors(groups(**{name: [] for name in GROUPS}) | {"backup": ["one"]})
    assert len(found) == 1
    assert "group 'backup' has a host, and group 'postgresql' has none" in found[0]
    assert complete(found[0])


def test_several_backends_need_shared_uploads():
    """A file uploaded through one would not exist for the other."""
    two = groups("one", "two", backend=["one", "two"])
    found = inventory_errors(two)
    assert len(found) == 1
    assert "group 'backend' has 2 hosts (one, two), but uploads lie on one" in found[0]
    assert complete(found[0])
    assert inventory_errors(two, backend_uploads_shared=True) == []


def test_the_remedies_name_variables_that_exist():
    """Following a message must not lead to `not one that any role knows`."""
    named = {
        "backend_uploads_shared", "backend_uploads", "aiko_address", "aiko_runtime", "aiko_domain", "postgresql_max_connections",
        "backend_database_pool", "celery_database_pool", "celery_pools", "redis_cache_maxmemory", "redis_queue_maxmemory",
        "backend_workers",
    }
    assert named - set(KNOWN) == set()


def test_documented_variables_come_from_specs_and_wiring(tmp_path):
    """Every role's interface counts, private names of the wiring do not, and an empty search is an error: it would refuse everything."""
    assert {"redis_layout", "unit_units", "aiko_timezone", "backend_database_pool"} <= set(KNOWN)
    assert not [name for name in KNOWN if name.startswith("__")]
    with pytest.raises(AnsibleFilterError, match="has no roles with argument_specs"):
        preflight.documented_variables(str(tmp_path))
