"""The files of an application's source and the name of the release they make."""

from __future__ import annotations

DOCUMENTATION = r"""
name: source_tree
short_description: Files of a source directory and the content-addressed id of its release
description:
  - Reads every file below a directory on the controller, except what a release does not need.
  - The id is the beginning of a SHA-256 over paths and contents in sorted order, so that the same
    source makes the same release on every controller.
options:
  _terms:
    description: The source directory.
    required: true
  exclude:
    description: Glob patterns of names (of files or directories) that are no part of a release.
    type: list
    elements: str
    default: [tests, node_modules, __pycache__, "*.pyc", ".*", "requirements-test.*", "*.md"]
  salt:
    description: What else makes a release another one, for example the Python it is built for.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
backend_release: "{{ lookup('source_tree', backend_source).id }}"
"""

RETURN = r"""
_raw:
  description: C(id), and C(files), each with C(path) (relative) and C(content) or, for a binary file, C(base64).
  type: list
  elements: dict
"""

import base64
import fnmatch
import hashlib
import pathlib

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        return [self._tree(pathlib.Path(term)) for term in terms]

    def _tree(self, root: pathlib.Path) -> dict:
        if not root.is_dir():
            raise AnsibleLookupError(f"{root} is not a directory; expected the source of the application on the controller")
        digest, files = hashlib.sha256("\0".join(self.get_option("salt")).encode()), []
        for path in sorted(root.rglob("*")):
            relative = path.relative_to(root)
            if not path.is_file() or any(self._excluded(part) for part in relative.parts):
                continue
            content = path.read_bytes()
            digest.update(f"{relative}\0{len(content)}\0".encode() + content)
            files.append({"path": str(relative), **self._entry(content)})
        if not files:
            raise AnsibleLookupError(f"{root} has no files to release")
        return {"id": digest.hexdigest()[:12], "files": files}

    def _excluded(self, name: str) -> bool:
        return any(fnmatch.fnmatch(name, pattern) for pattern in self.get_option("exclude"))

    @staticmethod
    def _entry(content: bytes) -> dict:
        try:
            return {"content": content.decode()}
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(content).decode()}
