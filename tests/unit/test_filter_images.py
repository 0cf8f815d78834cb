"""filter_plugins/images.py: what images are called."""

import base64
import json
import tomllib

import pytest
from ansible.errors import AnsibleFilterError

from tests.unit.support import load

images = load("filter_plugins/images.py")
DIGEST = "sha256:" + "0123456789abcdef" * 4


def image(name: str = "redis:7-alpine", digest: str = "", recipe: str = "redis") -> dict:
    return {"image": name, "digest": digest, "recipe": recipe}


@pytest.mark.parametrize(("name", "digest", "mirror", "expected"), [
    ("registry.example.com/redis:7-alpine", "", "", "registry.example.com/redis:7-alpine"),
    ("registry.example.com/redis:7-alpine", DIGEST, "", f"registry.example.com/redis@{DIGEST}"),
    ("redis:7-alpine", "", "registry.example.com:5000/mirror/", "registry.example.com:5000/mirror/redis:7-alpine"),
    ("prom/prometheus:v3", DIGEST, "registry.example.com", f"registry.example.com/prom/prometheus@{DIGEST}"),
    ("other.example.com:5000/a/b:1", "", "registry.example.com", "registry.example.com/a/b:1"),
    ("other.example.com:5000/a/b", DIGEST, "", f"other.example.com:5000/a/b@{DIGEST}"),
])
def test_an_image_that_is_pulled(name, digest, mirror, expected):
    """One variable moves all images to a mirror; a digest wins over what a tag points to today."""
    assert images.image_reference(image(name, digest), "pull", mirror) == expected


@pytest.mark.parametrize("name", ["redis:7-alpine", "prom/prometheus"])
def test_an_image_of_no_registry_is_refused(name):
    """Podman on Debian has no registry that it would ask for a short name, and a quadlet may not have one."""
    with pytest.raises(AnsibleFilterError, match=f"image {name} names no registry.*Remedy"):
        images.image_reference(image(name), "pull")


@pytest.mark.parametrize("digest", ["latest", "sha256:abc", DIGEST.upper()])
def test_a_digest_that_is_none_is_refused(digest):
    """A typing error must not become a pull of whatever is there."""
    with pytest.raises(AnsibleFilterError, match="Expected: sha256:"):
        images.image_reference(image(digest=digest), "pull", "registry.example.com")


def test_an_image_that_is_built_is_named_after_its_recipe(tmp_path):
    """Whoever has one of that name need not build it, and a changed recipe is another image."""
    recipes = images._recipes()
    assert images.image_reference(image(), "build", "registry.example.com") == recipes.reference("redis")
    for name, text in {"debian/packages": "a", "one/Containerfile": "b", "two/Containerfile": "b"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    before = [recipes.reference(name, tmp_path) for name in ("one", "two")]
    (tmp_path / "one/Containerfile").write_text("c")
    after = [recipes.reference(name, tmp_path) for name in ("one", "two")]
    assert (after[0] != before[0], after[1] == before[1]) == (True, True)
    (tmp_path / "debian/packages").write_text("c")
    assert recipes.reference("two", tmp_path) != before[1]


def test_an_unknown_recipe_is_refused():
    with pytest.raises(AnsibleFilterError, match="there is no recipe nothing; there are"):
        images.image_reference(image(recipe="nothing"), "build")


def test_every_recipe_that_a_host_needs_comes_with_the_base():
    """A host builds from what it was brought."""
    paths = {file["path"]: file for file in images.recipe_files(["redis"], "/x")}
    assert {"/x/recipes.py", "/x/debian/packages", "/x/debian/aiko-install", "/x/redis/Containerfile"} == set(paths)
    assert paths["/x/debian/aiko-install"]["mode"] == "0755"


def test_settings_are_toml():
    """A file that Podman cannot read stops every container of the host."""
    given = {"containers": {"base_hosts_file": "none", "pids_limit": 0, "gone": None}, "engine": {"x": True, "y": ["a"]}}
    del (wanted := {**given, "containers": dict(given["containers"])})["containers"]["gone"]
    assert tomllib.loads(images.containers_conf(given)) == wanted


def test_logins_are_what_podman_reads():
    auths = json.loads(images.registry_logins({"registry.example.com": {"username": "u", "password": "p:w"}}))["auths"]
    assert base64.b64decode(auths["registry.example.com"]["auth"]) == b"u:p:w"


def test_a_container_runs_as_the_hosts_account_with_its_secrets():
    """Files belong to the same account in both run modes, and a secret to that account alone."""
    passwd = {"aiko-x": ["x", "990", "991"]}
    assert images.container_account(passwd, "aiko-x", "/home") == {
        "User": "990", "Group": "991", "PodmanArgs": "--passwd-entry=aiko-x:*:990:991::/home:/usr/sbin/nologin"}
    assert images.container_account({}, "aiko-x")["User"] == "65534", "in check mode it is not there yet"
    assert images.container_secrets(["SECRET_KEY"], "aiko-y", passwd, "aiko-x", "/run/credentials/x.service") == [
        "aiko-y-secret-key,type=mount,target=/run/credentials/x.service/SECRET_KEY,uid=990,mode=0400"]
    found = images.application_account(passwd, "aiko-x", ["SECRET_KEY"], ["TIMEZONE"])
    assert found["Secret"] == ["aiko-backend-secret-key,type=mount,target=/run/credentials/SECRET_KEY,uid=990,mode=0400"]
    assert found["PodmanArgs"][1:] == ["--umask=0007", "--env=TIMEZONE"]
