"""Accounts from the command line: `python -m aiko.users list [--role ROLE]` and `... set-role EMAIL ROLE`.

Operators are made here only: nobody can register as one.
"""

from __future__ import annotations

import argparse
import sys

from redis.exceptions import RedisError
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from aiko import db
from aiko.auth import forget_role
from aiko.config import ConfigError, current
from aiko.models import ROLES, User


class NotDone(Exception):
    """A reason for the person at the terminal."""


def set_role(email: str, role: str) -> str:
    """Give the account `email` the role `role` and return what changed. Raises NotDone, SQLAlchemyError."""
    with db.session() as session:
        user = session.scalar(select(User).where(User.email == email.strip().lower()).with_for_update())
        if user is None:
            raise NotDone(f"there is no account with the email {email}; see: python -m aiko.users list")
        before, user.role = user.role, role
    try:
        forget_role(user.id)
    except RedisError:
        # Only matters while the database is away, and until that session's end.
        print("the sessions' Redis does not answer; the database has the new role", file=sys.stderr)
    return f"{user.email} is {role} already" if before == role else f"{user.email}: {before} -> {role}"


def listing(role: str | None) -> list[str]:
    """Return a line for each account, or each with `role`: role, email and name. Raises SQLAlchemyError."""
    wanted = select(User).order_by(User.role, User.email)
    with db.session() as session:
        users = session.scalars(wanted.where(User.role == role) if role else wanted).all()
    return [f"{user.role:8}  {user.email}  {user.name}" for user in users]


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m aiko.users", description="Accounts and their roles.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    shown = verbs.add_parser("list", help="list accounts")
    shown.add_argument("--role", choices=ROLES, help="only those with this role")
    given = verbs.add_parser("set-role", help="give an account a role; open sessions have it at once")
    given.add_argument("email")
    given.add_argument("role", choices=ROLES, help=f"one of: {', '.join(ROLES)}")
    return parser


def main() -> int:
    """Do what the command line says; return 0, 1 for a refusal, and 2 (from argparse) for a wrong command line."""
    given = _arguments().parse_args()
    try:
        current()
        for line in listing(given.role) if given.verb == "list" else [set_role(given.email, given.role)]:
            print(line)
    except (NotDone, ConfigError) as error:
        print(error, file=sys.stderr)
        return 1
    except SQLAlchemyError as error:
        print(f"the database does not do it ({type(error).__name__}); is it up and migrated?", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
