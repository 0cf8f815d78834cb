"""Render the templates of a config_tree task on the controller, then hand the whole tree to the module.

The module's documentation (roles/base/library/config_tree.py) is the reference for the arguments.
"""

from __future__ import annotations

import os

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _supports_async = False

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        files = []
        secret = False
        below = arguments.pop("below", "")
        for given in arguments.get("files") or []:
            entry = dict(given)
            path = entry["path"] = os.path.join(below, entry.get("path", ""))
            if not os.path.isabs(path):
                raise AnsibleActionFail(f"config_tree: every file needs an absolute 'path', not {path!r}")
            if len({"template", "content", "base64"} & set(entry)) != 1:
                raise AnsibleActionFail(f"config_tree: {path} needs exactly one of 'template', 'content' and 'base64'")
            if "template" in entry:
                entry["content"] = self._render(path, entry.pop("template"), entry.pop("vars", {}), task_vars)
            elif not isinstance(entry.get("content", ""), str):
                raise AnsibleActionFail(f"config_tree: the content of {path} must be text")
            secret = secret or bool(entry.get("secret"))
            files.append(entry)
        arguments["files"] = files
        result = self._execute_module(module_name="config_tree", module_args=arguments, task_vars=task_vars)
        if secret:
            # The arguments carry the content; keep them out of -vvv output and callbacks.
            result.pop("invocation", None)
        return result

    def _render(self, path: str, template: str, variables: dict, task_vars: dict) -> str:
        source = self._find_needle("templates", template)
        searchpath = [os.path.dirname(source)]
        for place in task_vars.get("ansible_search_path", []):
            searchpath += [os.path.join(place, "templates"), place]
        available = {
            **task_vars,
            **variables,
            "template_path": template,
            "template_fullpath": source,
            "template_destpath": path,
        }
        # The path is enough to find the source; a date or user would change on every run.
        available.setdefault("ansible_managed", f"Ansible managed: roles/{_below_roles(source)}. Changes made here are lost.")
        templar = self._templar.copy_with_new_env(searchpath=searchpath, available_variables=available)
        text = trust_as_template(self._loader.get_text_file_contents(source))
        rendered = templar.template(text, escape_backslashes=False, overrides={"trim_blocks": True, "lstrip_blocks": True})
        return rendered if isinstance(rendered, str) else str(rendered)


def _below_roles(source: str) -> str:
    return source.rsplit(f"{os.sep}roles{os.sep}", 1)[-1]
