"""roles/podman/files/aiko-sbom: what a file system says of the packages on it."""

from tests.unit.support import load

sbom = load("roles/podman/files/aiko-sbom")


def test_packages_of_three_kinds_are_found_once(tmp_path):
    """What a scanner is not told of it cannot find."""
    status = tmp_path / "var/lib/dpkg/status"
    status.parent.mkdir(parents=True)
    status.write_text("Package: libc6\nStatus: install ok installed\nVersion: 2.41-12\nDescription: x\n more: of it\n\n"
                      "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n")
    for place in ("srv/aiko/app/venv/lib/python3.13/site-packages", "usr/lib/python3/dist-packages"):
        info = tmp_path / place / "Flask_X-3.1.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Flask_X\nVersion: 3.1\n\nVersion: no\n")
    package = tmp_path / "srv/aiko/app/node_modules/@a/b"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"name": "@a/b", "version": "1.0.0"}')
    (tmp_path / "srv/aiko/app/package.json").write_text('{"name": "app", "version": "0"}')
    found = sbom.bill(tmp_path, "x:y")
    assert [one["purl"] for one in found["components"]] == ["pkg:deb/debian/libc6@2.41-12", "pkg:npm/%40a/b@1.0.0", "pkg:pypi/flask-x@3.1"]
    assert found["metadata"]["component"]["name"] == "x:y"
