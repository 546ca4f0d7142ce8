"""Settings: one frozen typed object, built from defaults, then a YAML file, then the environment.

`COFFER_CONFIG` names the file. A variable is `COFFER_` plus the setting's name; `__` separates nested names. `load`
reports all missing or invalid values at once, and what it returns is safe to start with. Its errors never contain
secrets.
"""

import difflib
import os
from collections.abc import Mapping
from typing import Any

import yaml
from flask import current_app
from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource
from pydantic_settings.sources.utils import parse_env_vars

from dashboard.config import rules
from dashboard.config.shape import (
    DEVELOPMENT_ENCRYPTION_KEY,
    DEVELOPMENT_SECRET_KEY,
    PREFIX,
    Mode,
    Settings,
)

__all__ = [
    "DEVELOPMENT_ENCRYPTION_KEY",
    "DEVELOPMENT_SECRET_KEY",
    "ConfigError",
    "Mode",
    "Settings",
    "load",
    "settings",
]

FILE_VARIABLE = "COFFER_CONFIG"


class ConfigError(Exception):
    """The settings cannot be used. `problems` has one readable line for each missing or invalid value."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("Coffer cannot start with these settings:\n" + "\n".join(f"  - {line}" for line in problems))


def settings() -> Settings:
    """The running app's settings. Needs an app context."""
    result: Settings = current_app.config["COFFER"]
    return result


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read and check the settings. Raises ConfigError with all missing or invalid values."""
    problems: dict[str, str] = {}
    values = _merged(_from_file(environ, problems), _from_environment(environ, problems))
    result = _settings(values, problems)
    if result.production and environ.get("FLASK_DEBUG", "").lower() not in ("", "0", "false", "no"):
        problems["FLASK_DEBUG"] = "debug mode is refused in production"
    for name, sentence in rules.problems(result):
        problems.setdefault(name, sentence)
    if problems:
        raise ConfigError([f"{_labelled(name)}: {sentence}" for name, sentence in problems.items()])
    return result.model_copy(update={"base_url": next(iter(rules.base_urls(result).values()), None)})


def _from_file(environ: Mapping[str, str], problems: dict[str, str]) -> dict[str, Any]:
    path = environ.get(FILE_VARIABLE)
    if not path:
        return {}
    try:
        with open(path, encoding="utf-8") as file:
            values = yaml.safe_load(file)
    except (OSError, UnicodeDecodeError) as error:
        problems[FILE_VARIABLE] = f"cannot read {path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}"
        return {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problems[FILE_VARIABLE] = f"{path} is not YAML" + (f" (line {mark.line + 1})" if mark else "")
        return {}
    if values is not None and not isinstance(values, dict):
        problems[FILE_VARIABLE] = f"{path} must hold names and values"
        return {}
    return _given(values or {})


def _given(values: dict[Any, Any]) -> dict[str, Any]:
    """A name without a value (`webhook_secret:`) counts as missing."""
    kept = {str(name): _given(value) if isinstance(value, dict) else value for name, value in values.items()}
    return {name: value for name, value in kept.items() if value is not None}


def _from_environment(environ: Mapping[str, str], problems: dict[str, str]) -> dict[str, Any]:
    names = [PREFIX + name.upper() for name in Settings.model_fields]
    for name in environ:
        top = name.partition("__")[0]
        if not name.startswith(PREFIX) or top in names or name == FILE_VARIABLE:
            continue
        # Container platforms add their own variables with the same prefix, so only likely misspellings are errors.
        if meant := difflib.get_close_matches(top, names, n=1, cutoff=0.92):
            problems[name] = f"unknown; did you mean {meant[0]}?"
    source = EnvSettingsSource(Settings)
    source.env_vars = parse_env_vars(environ, case_sensitive=False, ignore_empty=True)
    try:
        return source()
    except ValueError as error:
        problems["environment variables"] = str(error)
        return {}


def _merged(lower: dict[str, Any], upper: dict[str, Any]) -> dict[str, Any]:
    both = {**lower, **upper}
    for name in lower.keys() & upper.keys():
        if isinstance(lower[name], dict) and isinstance(upper[name], dict):
            both[name] = _merged(lower[name], upper[name])
    return both


def _settings(values: dict[str, Any], problems: dict[str, str]) -> Settings:
    """The settings without the invalid values, so that the rules can still report other problems."""
    try:
        return Settings(**values)
    except ValidationError as error:
        for one in error.errors(include_url=False, include_context=False):
            path = [part for part in one["loc"] if isinstance(part, str)]
            problems.setdefault(".".join(path), _sentence(one))
            _drop(values, path)
    return Settings(**values)


def _sentence(error: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "unknown name"
    if error["type"] == "literal_error":
        return f"{error['input']!r} is odd: {error['msg'].removeprefix('Input ')}"
    return str(error["msg"]).removeprefix("Value error, ").removeprefix("Input ")


def _drop(values: dict[str, Any], path: list[str]) -> None:
    for name in path[:-1]:
        if not isinstance(values.get(name), dict):
            break
        values = values[name]
    else:
        name = path[-1]
    values.pop(name, None)


def _labelled(name: str) -> str:
    """Both forms of a name: in the file and in the environment."""
    top = name.partition(".")[0]
    return f"{name} ({PREFIX}{name.upper().replace('.', '__')})" if top in Settings.model_fields else name
