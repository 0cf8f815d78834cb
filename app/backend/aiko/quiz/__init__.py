"""Quiz generators behind one protocol."""

from aiko.config import current
from aiko.quiz.types import Made, MadeQuestion, Provider, QuizError

__all__ = ["Made", "MadeQuestion", "Provider", "QuizError", "provider"]


def provider() -> Provider:
    """Return the generator that QUIZ_PROVIDER names."""
    config = current()
    if config.QUIZ_PROVIDER == "openai":
        from aiko.quiz.llm import ChatProvider

        return ChatProvider(config.LLM_BASE_URL, config.LLM_MODEL, config.LLM_API_KEY)
    from aiko.quiz.builtin import BuiltinProvider

    return BuiltinProvider()
