"""The object store, asked whether it answers before anything else is asked of it.

restic tries again for a quarter of an hour without a word, which is right for a store that stumbles and wrong for one that is not there.
"""

from __future__ import annotations

import socket
import ssl
import time
from urllib.parse import urlsplit

from .command import Failed

PREFIX = "s3:"
# What a store says that does not let the key in, by way of restic and of pgBackRest.
DENIED = ("access denied", "accessdenied", "signaturedoesnotmatch", "invalidaccesskeyid", "403 (forbidden)")
TIMEOUT = 10
ATTEMPTS = 3


def denied(said: str) -> Failed | None:
    """What to raise when these words of restic or pgBackRest mean that the store refused the key; None when they do not."""
    if not any(words in said.lower() for words in DENIED):
        return None
    return Failed(f"the object store refuses the key: {said.splitlines()[0]}. Expected: backup_s3.key and backup_s3.secret of an account "
                  "that may list, read, write and remove in the bucket. Remedy: correct them and run site.yml; what is in the store is "
                  "untouched")


def refuse_absent(repository: str, authority: str | None) -> None:
    """Failed when `repository` is in an object store and that does not answer, or not with a certificate of `authority`.

    Args:
        repository: as restic names it, such as s3:https://s3.example.com/bucket/restic.
        authority: file of the authority's certificate; None for those that the system trusts.
    """
    if not repository.startswith(PREFIX):
        return
    address = urlsplit(repository.removeprefix(PREFIX))
    name, port = address.hostname or "", address.port or 443
    for attempt in range(1, ATTEMPTS + 1):
        try:
            context = ssl.create_default_context(cafile=authority)
            with socket.create_connection((name, port), TIMEOUT) as connection, context.wrap_socket(connection, server_hostname=name):
                return
        except ssl.SSLCertVerificationError as error:
            raise Failed(f"the object store {name}:{port} shows a certificate that is not trusted: {error.verify_message}. Expected: one "
                         "for this name, of the authority backup_s3.ca_file or of one that Debian trusts. Remedy: correct backup_s3 and "
                         "run site.yml") from error
        except OSError as error:
            if attempt == ATTEMPTS:
                raise Failed(f"the object store {name}:{port} does not answer: {error}. Expected: the S3 store of backup_s3.endpoint. "
                             "Remedy: see whether it runs and can be reached from here; what is in it is untouched") from error
            time.sleep(attempt)
