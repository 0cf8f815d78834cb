"""Write each role's README.md from its argument specs.

    python tests/tools/role_readmes.py            write those that are stale
    python tests/tools/role_readmes.py --check    write nothing, show what is stale, end with 1 if anything is
"""

from __future__ import annotations

import argparse
import difflib
import json
import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Who a role is for, where its group has another name.
HOSTS = {"base": "all", "certificates": "all", "celery": "worker:scheduler", "nginx": "proxy"}
# A longer default stands below the table.
CELL = 80
# Roles that other roles include; a play with one of them alone would do nothing.
EXAMPLES = {
    "unit": {
        "name": "Run a nightly job",
        "ansible.builtin.include_role": {"name": "unit"},
        "vars": {
            "unit_units": {
                "example.service": {"Unit": {"Description": "A job"}, "Service": {"Type": "oneshot", "ExecStart": "/usr/bin/example"}},
                "example.timer": {
                    "Unit": {"Description": "The job every night"},
                    "Timer": {"OnCalendar": "*-*-* 02:00:00", "Persistent": True},
                    "Install": {"WantedBy": "timers.target"},
                },
            },
            "unit_states": [{"name": "example.timer", "enabled": True, "state": "started"}],
        },
    },
}


class Document(yaml.SafeDumper):
    def increase_indent(self, flow=False, indentless=False):
        """Lists are indented below their key, as in the roles."""
        return super().increase_indent(flow, False)


def readme(role: pathlib.Path) -> str:
    """The whole text of a role's README."""
    specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]
    defaults = yaml.safe_load((role / "defaults/main.yml").read_text()) or {}
    main = specs["main"]
    parts = [
        f"# {role.name}",
        "<!-- Generated from meta/argument_specs.yml by tests/tools/role_readmes.py. Changes made here are lost. -->",
        f"{main['short_description']}.",
        "\n".join(sentences(main["description"])),
        "## Variables",
        table(main["options"], defaults),
    ]
    for name, option in main["options"].items():
        if len(literal(option.get("default", ""))) > CELL:
            parts += [f"Default of `{name}`:", f"```yaml\n{dump({name: option['default']})}```"]
        if "options" in option:
            what = "Each entry" if option["type"] == "list" else "Entries"
            parts += [f"{what} of `{name}`:", table(option["options"], {})]
    if read := inventory_variables(role):
        parts.append("From the inventory it also reads " + listed(read) + ".")
    parts += ["## Example", f"```yaml\n{example(role.name, main['options'])}```", "## Entry points"]
    parts.append("\n".join(entry_point(name, spec, main["options"]) for name, spec in specs.items()))
    return "\n\n".join(parts) + "\n"


def table(options: dict, defaults: dict) -> str:
    lines = ["| Variable | Type | Default | Description |", "|---|---|---|---|"]
    for name, option in options.items():
        kind = option["type"] + (f" of {option['elements']}" if "elements" in option else "")
        text = " ".join(sentences(option["description"]))
        if "choices" in option:
            text += f" One of {listed(option['choices'])}."
        lines.append(f"| `{name}` | {kind} | {default(name, option, defaults)} | {cell(text)} |")
    return "\n".join(lines)


def default(name: str, option: dict, defaults: dict) -> str:
    """Literal, ``derived`` where it is computed, nothing where there is none."""
    if option.get("required"):
        return "**required**"
    if "default" in option:
        text = literal(option["default"])
        return f"`{cell(text)}`" if len(text) <= CELL else "see below"
    return "derived" if name in defaults else ""


def literal(value) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def dump(value) -> str:
    """YAML in the style of the roles; the quotes that it chooses for Jinja are doubled single ones, hence the exchange."""
    text = yaml.dump(value, Dumper=Document, sort_keys=False, width=120)
    return re.sub(r"'(\{\{.*\}\})'", lambda match: '"' + match[1].replace("''", "'") + '"', text)


def listed(values: list) -> str:
    return ", ".join(f"`{literal(value)}`" for value in values)


def sentences(description: str | list[str]) -> list[str]:
    return [description] if isinstance(description, str) else description


def inventory_variables(role: pathlib.Path) -> list[str]:
    """The platform's own variables, aiko_*, that the role's tasks and variables read."""
    texts = [path.read_text() for part in ("defaults", "vars", "tasks", "handlers") for path in sorted(role.glob(f"{part}/*.yml"))]
    return sorted({name for text in texts for name in re.findall(r"(?<![\w./$-])aiko_[a-z_]+\b", text)})


def example(role: str, options: dict) -> str:
    wanted = {name: f"{{{{ lookup('secret', '{name}') }}}}" for name, option in options.items() if option.get("required")}
    play = EXAMPLES.get(role) or {
        "name": f"Hosts with {role}",
        "hosts": HOSTS.get(role, role),
        "roles": [{"role": role, "vars": wanted} if wanted else {"role": role}],
    }
    return dump([play])


def entry_point(name: str, spec: dict, options: dict) -> str:
    if name == "main":
        return f"- `main`: {spec['short_description']}."
    same = ["Takes the variables above."] if spec.get("options") == options else []
    return " ".join([f"- `{name}` (`tasks_from: {name}`): {spec['short_description']}.", *sentences(spec["description"]), *same])


def main(arguments: list[str] | None = None, root: pathlib.Path = ROOT) -> int:
    parser = argparse.ArgumentParser(prog="role_readmes", description="Write each role's README.md from its argument specs.")
    parser.add_argument("--check", action="store_true", help="write nothing, end with 1 when a README is stale")
    check = parser.parse_args(arguments).check
    stale = 0
    for specs in sorted(root.glob("roles/*/meta/argument_specs.yml")):
        path = specs.parents[1] / "README.md"
        former, wanted = path.read_text() if path.exists() else "", readme(specs.parents[1])
        if former == wanted:
            continue
        name = str(path.relative_to(root))
        stale += 1
        if check:
            sys.stdout.writelines(difflib.unified_diff(former.splitlines(True), wanted.splitlines(True), name, f"{name} (fresh)"))
        else:
            path.write_text(wanted)
            print(f"wrote {name}")
    if check and stale:
        print(f"{stale} stale; run: python tests/tools/role_readmes.py", file=sys.stderr)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
