"""AI-KO: teachers upload documents, a pipeline turns them into quizzes, students answer and are corrected."""

__version__ = "1.0.0"
