/** What the backend answers; its own description is at /api/openapi.json. */
export type Role = "teacher" | "student" | "operator";
export type User = { id: string; name: string; email: string; role: Role };
export type Page<T> = { items: T[]; total: number; page: number; per_page: number };

export type DocumentItem = {
  id: string;
  title: string;
  filename: string;
  kind: "text" | "markdown" | "pdf" | "docx";
  size_bytes: number;
  created_at: string;
  meta: Record<string, string | null>;
};
export type DocumentFull = DocumentItem & { characters: number; excerpt: string };

export type Question = { id: string; position: number; prompt: string; options: string[] };
export type Quiz = {
  id: string;
  document_id: string;
  task_id: string;
  title: string;
  wanted: number;
  status: "pending" | "ready" | "failed";
  message: string | null;
  language: string | null;
  share_code: string | null;
  mine: boolean;
  created_at: string;
};
export type QuizFull = Quiz & { questions: Question[] };
export type Queued = { id: string; task_id: string };

export type Result = { question_id: string; given: string | null; correct: boolean; answer: string; explanation: string };
export type Attempt = {
  id: string;
  quiz_id: string;
  task_id: string;
  status: "pending" | "corrected" | "failed";
  score: number | null;
  created_at: string;
  results: Result[];
};

export type Task = {
  id: string;
  state: "PENDING" | "STARTED" | "RETRY" | "SUCCESS" | "FAILURE" | "REVOKED";
  progress: number;
  error?: string | null;
};

export type Overview = {
  documents: number;
  quizzes: { pending: number; ready: number; failed: number };
  attempts: number;
  students: number;
  average_score: number | null;
  recent: {
    quiz_id: string;
    quiz_title: string;
    student: string;
    score: number | null;
    status: string;
    created_at: string;
  }[];
  by_quiz: {
    quiz_id: string;
    title: string;
    share_code: string | null;
    attempts: number;
    students: number;
    average_score: number | null;
    last_attempt_at: string | null;
  }[];
};

export type Check = { ok: boolean; ms?: number; detail?: string | null; free_bytes?: number; total_bytes?: number };
/** Every member may be missing: a status page must work most of all when something does not. */
export type Status = {
  release?: string | null;
  time?: string;
  checks?: Record<string, Check>;
  queues?: Record<string, number>;
  workers?: { name: string; alive: boolean; seconds_since_heartbeat?: number; active?: number }[];
  beat?: { last_run_seconds_ago?: number | null };
  counts?: Record<string, number>;
};
