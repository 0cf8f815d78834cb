"""Runs the migrations in one transaction, one host at a time."""

from logging.config import fileConfig

from alembic import context
from alembic.script import ScriptDirectory
from sqlalchemy import text

from aiko.config import current
from aiko.db import probe_engine
from aiko.models import Base

# Any constant will do, as long as every release uses the same.
MIGRATION_LOCK = 7_324_881_001

if context.config.config_file_name:
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)


def online() -> None:
    """Migrate over a connection of our own; a second host waits for the lock and then finds nothing to do."""
    with probe_engine().connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata, transaction_per_migration=False)
        with context.begin_transaction():
            # A lock of the transaction, not of the session: it also works through a transaction-pooling PgBouncer,
            # and it cannot outlive a killed migration.
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            if not newer_than_this_release(context.get_context().get_current_heads()):
                context.run_migrations()


def newer_than_this_release(heads: tuple[str, ...]) -> bool:
    """Whether a later release has been here. Migrations stay usable by the release before them, so that going back to
    it is possible, and it has nothing to migrate; health asks by the same rule."""
    known = {script.revision for script in ScriptDirectory.from_config(context.config).walk_revisions()}
    unknown = [head for head in heads if head not in known]
    if unknown:
        print(f"the database is at {', '.join(unknown)}, which a later release made: nothing to migrate")
    return bool(unknown)


def offline() -> None:
    """Print the SQL instead of running it (`alembic upgrade head --sql`)."""
    context.configure(url=current().DATABASE_URL, target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    offline()
else:
    online()
