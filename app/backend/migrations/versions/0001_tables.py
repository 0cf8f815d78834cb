"""Extensions, tables, indexes, and the partitions of the results."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

EXTENSIONS = ("uuid-ossp", "unaccent", "pg_trgm", "hstore")

# unaccent() is only STABLE, because its dictionary is looked up through the search path; an index needs IMMUTABLE. With
# schema and dictionary named, the answer depends on the argument alone. Naming them also lets pg_restore rebuild the
# index, which happens with an empty search path.
FOLD = """
DO $do$
DECLARE home text;
BEGIN
  SELECT quote_ident(n.nspname) INTO home FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
   WHERE e.extname = 'unaccent';
  EXECUTE format($f$
    CREATE FUNCTION aiko_fold(value text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $b$ SELECT pg_catalog.lower(%s.unaccent('%s.unaccent'::pg_catalog.regdictionary, $1)) $b$ $f$, home, home);
END $do$
"""

TABLES = """
CREATE TABLE users (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  email text NOT NULL UNIQUE CHECK (email = lower(email)),
  name text NOT NULL,
  role text NOT NULL DEFAULT 'teacher' CHECK (role IN ('teacher', 'student', 'operator')),
  password_hash text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE documents (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  title text NOT NULL,
  filename text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('text', 'markdown', 'pdf', 'docx')),
  size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
  sha256 text NOT NULL,
  body text NOT NULL,
  meta hstore NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ix_documents_user_id ON documents (user_id, created_at DESC, id);
CREATE INDEX ix_documents_meta ON documents USING gin (meta);
CREATE INDEX ix_documents_search ON documents USING gin (aiko_fold(title || ' ' || body) gin_trgm_ops);
CREATE TABLE quizzes (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  document_id uuid NOT NULL REFERENCES documents ON DELETE CASCADE,
  task_id uuid NOT NULL UNIQUE,
  title text NOT NULL,
  wanted integer NOT NULL CHECK (wanted > 0),
  status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'ready', 'failed')),
  message text,
  language text,
  share_code text UNIQUE,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ix_quizzes_user_id ON quizzes (user_id, created_at DESC, id);
CREATE INDEX ix_quizzes_document_id ON quizzes (document_id);
CREATE INDEX ix_quizzes_pending ON quizzes (created_at) WHERE status = 'pending';
CREATE TABLE questions (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  quiz_id uuid NOT NULL REFERENCES quizzes ON DELETE CASCADE,
  position integer NOT NULL,
  prompt text NOT NULL,
  options jsonb NOT NULL,
  answer text NOT NULL,
  explanation text NOT NULL,
  UNIQUE (quiz_id, position)
);
CREATE TABLE attempts (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  quiz_id uuid NOT NULL REFERENCES quizzes ON DELETE CASCADE,
  user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  task_id uuid NOT NULL UNIQUE,
  answers jsonb NOT NULL,
  status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'corrected', 'failed')),
  score double precision,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ix_attempts_quiz_id ON attempts (quiz_id);
CREATE INDEX ix_attempts_user_id ON attempts (user_id, created_at DESC);
CREATE INDEX ix_attempts_pending ON attempts (created_at) WHERE status = 'pending';
CREATE TABLE attempt_results (
  attempt_id uuid NOT NULL REFERENCES attempts ON DELETE CASCADE,
  question_id uuid NOT NULL REFERENCES questions ON DELETE CASCADE,
  created_at timestamptz NOT NULL,
  given text,
  correct boolean NOT NULL,
  PRIMARY KEY (attempt_id, question_id, created_at)
) PARTITION BY RANGE (created_at);
CREATE INDEX ix_attempt_results_question_id ON attempt_results (question_id);
CREATE TABLE attempt_results_default PARTITION OF attempt_results DEFAULT;
CREATE TABLE probe_effects (
  key text PRIMARY KEY,
  created_at timestamptz NOT NULL DEFAULT now()
);
"""

# Rows of a month without a partition land in the default partition. PostgreSQL then refuses to create that month, so
# the rows move first: into a plain table of the same shape, which is attached afterwards. All in one transaction: a
# reader never sees them missing.
PARTITIONS = """
CREATE FUNCTION aiko_create_partitions(months_ahead integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  first date; low timestamptz; high timestamptz; child text; made integer := 0;
BEGIN
  IF months_ahead NOT BETWEEN 0 AND 120 THEN RAISE EXCEPTION 'months_ahead must be from 0 to 120'; END IF;
  PERFORM pg_advisory_xact_lock(7324881002);
  FOR first IN
    SELECT (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => n))::date
      FROM generate_series(0, months_ahead) AS n
    UNION
    SELECT date_trunc('month', created_at AT TIME ZONE 'UTC')::date FROM attempt_results_default
    ORDER BY 1
  LOOP
    child := format('attempt_results_y%sm%s', to_char(first, 'YYYY'), to_char(first, 'MM'));
    CONTINUE WHEN to_regclass(child) IS NOT NULL;
    low := first::timestamp AT TIME ZONE 'UTC';
    high := (first + interval '1 month') AT TIME ZONE 'UTC';
    EXECUTE format('CREATE TABLE %I (LIKE attempt_results INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', child);
    -- Writers wait from here to the end, so no row of this month slips into the default partition meanwhile.
    LOCK TABLE attempt_results_default IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('WITH moved AS (DELETE FROM attempt_results_default'
                   ' WHERE created_at >= $1 AND created_at < $2 RETURNING *)'
                   ' INSERT INTO %I SELECT * FROM moved', child) USING low, high;
    EXECUTE format('ALTER TABLE attempt_results ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', child, low, high);
    made := made + 1;
  END LOOP;
  RETURN made;
END $$
"""


def upgrade() -> None:
    """Create everything; the extensions are trusted ones, so the database's owner may install them."""
    for name in EXTENSIONS:
        op.execute(f'CREATE EXTENSION IF NOT EXISTS "{name}"')
    op.execute(FOLD)
    op.execute(TABLES)
    op.execute(PARTITIONS)
    op.execute("SELECT aiko_create_partitions(3)")


def downgrade() -> None:
    """Drop everything but the extensions, which others may use."""
    op.execute("DROP TABLE probe_effects, attempt_results, attempts, questions, quizzes, documents, users")
    op.execute("DROP FUNCTION aiko_create_partitions(integer)")
    op.execute("DROP FUNCTION aiko_fold(text)")
