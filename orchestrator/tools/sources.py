"""Find tools by name: Python functions of a file or a module, or definitions in a JSON file."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from orchestrator.errors import ToolsUnusable
from orchestrator.spelling import did_you_mean
from orchestrator.tools.definitions import ENDINGS, read_definitions
from orchestrator.tools.functions import Tool, tool_of

_FILE = ".py"


def load_tools(sources: Iterable[str | Callable[..., Any]]) -> list[Tool]:
    """The tools of FILE.py or package.module, either with :function, of FILE.json, or of function objects.

    A file or a module gives its public functions, or those in its `__all__`; its code runs, as with
    `python FILE.py`. For a JSON file see `read_definitions`. Raises ToolsUnusable and FunctionUnusable.
    """
    tools: dict[str, Tool] = {}
    for source in sources:
        for tool in _tools(source):
            known = tools.setdefault(tool.name, tool)
            if known is not tool and (known.function is None or known.function is not tool.function):
                problem = f'two functions are called "{tool.name}"'
                raise ToolsUnusable(source=source, problem=problem, fix="Rename one of them")
    return list(tools.values())


def _tools(source: str | Callable[..., Any]) -> Iterable[Tool]:
    if not isinstance(source, str):
        return [tool_of(source)]
    if source.endswith(ENDINGS):
        return read_definitions(Path(source))
    return map(tool_of, _functions(source))


def _functions(source: str) -> Sequence[Callable[..., Any]]:
    place, _, name = source.rpartition(":") if _names_a_function(source) else (source, "", "")
    module = _module(source, place)
    if name:
        return [_named(module, name, source)]
    public = getattr(module, "__all__", None)
    if public is not None:
        return [_named(module, each, source) for each in public]
    found = [each for name, each in vars(module).items() if not name.startswith("_") and _is_defined(each, module)]
    if not found:
        fix = f"Name one of its functions: {source}:function"
        raise ToolsUnusable(source=source, problem="it defines no public function", fix=fix)
    return found


def _names_a_function(source: str) -> bool:
    return ":" in source and source.rpartition(":")[2].isidentifier()


def _is_defined(found: Any, module: ModuleType) -> bool:
    return inspect.isfunction(found) and found.__module__ == module.__name__


def _named(module: ModuleType, name: str, source: str) -> Callable[..., Any]:
    found: Callable[..., Any] | None = getattr(module, name, None)
    if callable(found) and not isinstance(found, type):
        return found
    known = [each for each, value in vars(module).items() if inspect.isfunction(value)]
    problem = f"there is no function {name}" if found is None else f"{name} is not a function"
    otherwise = f"It defines {', '.join(known)}" if known else "Define it there"
    fix = did_you_mean(name, known, "The nearest name is {}", otherwise=otherwise)
    raise ToolsUnusable(source=source, problem=problem, fix=fix)


def _module(source: str, place: str) -> ModuleType:
    try:
        return _run_file(Path(place)) if place.endswith(_FILE) else _imported(place)
    except _NotThere as error:
        raise ToolsUnusable(
            source=source,
            problem=str(error),
            fix="Use FILE.py, package.module:function, or FILE.json with definitions",
        ) from None
    except (Exception, SystemExit) as error:  # importing runs code that may do anything
        raise ToolsUnusable(source=source, problem=_raised(error), fix="Fix the error and try again") from error


class _NotThere(Exception):
    pass


def _run_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise _NotThere(f"there is no file {path}")
    # As with `python FILE.py`, so that the file can import its neighbours.
    _search_first(path.resolve().parent)
    name = f"tools_of_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise _NotThere(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look up their module there
    spec.loader.exec_module(module)
    return module


def _imported(name: str) -> ModuleType:
    _search_first(Path.cwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise _NotThere(f"there is no module {error.name}") from None
    except (ValueError, TypeError):
        raise _NotThere(f'"{name}" is neither a Python file nor the name of a module') from None


def _search_first(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _raised(error: BaseException) -> str:
    """The error that an import raised, and its line in the module."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    own = [frame for frame in frames if frame.filename != __file__]
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {error.msg}"
    where = f"{own[-1].filename}:{own[-1].lineno}: " if own else ""
    return f"{where}{type(error).__name__}: {error}".removesuffix(": ")
