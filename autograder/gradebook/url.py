"""Which database holds the gradebook: SQLite beside the reports, or the one that `grade --db` was given last.

What `grade --db` was given is remembered in build/grading, so that feedback, report, export and nbgrader's own commands
read the same gradebook without being told again. What is written into it: book.py, which takes long to import.
"""

from pathlib import Path

from autograder.course import GradingError
from llaisys_mini.files import write_atomically


def of(build: Path, given: str | None = None) -> str:
    """The URL given on the command line; else the remembered one; else SQLite in `build`.

    Raises GradingError if no database answers there: better before a class is graded than after.
    """
    url = given or remembered(build)
    return url if url == default(build) else _reached(url)


def default(build: Path) -> str:
    """SQLite beside the reports."""
    return f"sqlite:///{(build / 'gradebook.db').resolve()}"


def remembered(build: Path) -> str:
    """What `remember` wrote last, or the default."""
    path = _memory(build)
    return path.read_text(encoding="utf-8").strip() if path.is_file() else default(build)


def remember(build: Path, url: str) -> None:
    """From now on `of(build)` is `url`. It may hold a password: only its owner may read the file."""
    if url == default(build):
        _memory(build).unlink(missing_ok=True)
    else:
        write_atomically(_memory(build), url + "\n", mode=0o600)


def _memory(build: Path) -> Path:
    return build / "grading" / "gradebook_url"


def shown(url: str) -> str:
    """The URL without its password."""
    from sqlalchemy.engine import make_url

    return make_url(url).render_as_string(hide_password=True)


def _reached(url: str) -> str:
    """The URL, fit for any working folder, of a database that answers. Raises GradingError."""
    from sqlalchemy import create_engine
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:"):
            parsed = parsed.set(database=str(Path(parsed.database).resolve()))
        engine = create_engine(parsed)
    except (ArgumentError, NoSuchModuleError):
        raise GradingError(
            "--db is no address of a database; it looks like sqlite:///file.db or postgresql://user@host/name"
        ) from None
    except ModuleNotFoundError as problem:
        raise GradingError(
            f"the gradebook {shown(url)} needs the package {problem.name}, which is not installed. "
            "For postgresql:// it comes with: pip install 'llaisys_mini[postgresql]'"
        ) from None
    try:
        engine.connect().close()
    except SQLAlchemyError as problem:
        reason = " ".join(str(getattr(problem, "orig", None) or problem).split())
        raise GradingError(f"the gradebook {shown(url)} does not answer: {reason}") from None
    finally:
        engine.dispose()
    return parsed.render_as_string(hide_password=False)
